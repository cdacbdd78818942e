"""Serve images to a detector: processes read and preprocess, and write into one result queue or one queue each."""

import argparse
import json
import multiprocessing
import threading
import time
from pathlib import Path

import numpy as np

MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
SPREAD = np.array([0.229, 0.224, 0.225], dtype=np.float32)


def by_torchvision(side):
    from PIL import Image
    from torchvision import transforms

    steps = [transforms.Resize((side, side)), transforms.ToTensor(), transforms.Normalize(MEAN, SPREAD)]
    pipeline = transforms.Compose(steps)
    return lambda path: pipeline(Image.open(path).convert("RGB")).numpy()


def by_opencv(side):
    import cv2

    def preprocess(path):
        image = cv2.resize(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB), (side, side))
        return np.ascontiguousarray(((image.astype(np.float32) / 255 - MEAN) / SPREAD).transpose(2, 0, 1))

    return preprocess


LIBRARIES = {"torchvision": by_torchvision, "opencv": by_opencv}


def work(paths, preprocess, ready, results):
    preprocess(paths[0])
    ready.wait()
    for path in paths:
        results.put(preprocess(path))
    results.put(None)


def collect(queue, writers, sums):
    """Take what the processes wrote until all are done."""
    while writers:
        result = queue.get()
        if result is None:
            writers -= 1
        else:
            sums.append(result.nbytes)


def serve(args, paths):
    """Return the seconds and the bytes of all results."""
    context = multiprocessing.get_context("fork")
    # Made here, so that the processes do not import the library each.
    preprocess = LIBRARIES[args.library](args.side)
    ready = context.Barrier(args.processes + 1)
    count = args.processes if args.queues == "each" else 1
    queues = [context.Queue(maxsize=4 * args.processes // count) for _ in range(count)]
    work_of = [
        [paths[i % len(paths)] for i in range(p, args.iterations, args.processes)] for p in range(args.processes)
    ]
    processes = [
        context.Process(target=work, args=(share, preprocess, ready, queues[p % count]), daemon=True)
        for p, share in enumerate(work_of)
    ]
    for process in processes:
        process.start()
    sums = []
    takers = [threading.Thread(target=collect, args=(queue, args.processes // count, sums)) for queue in queues]
    for taker in takers:
        taker.start()
    ready.wait()
    started = time.monotonic_ns()
    for taker in takers:
        taker.join()
    ended = time.monotonic_ns()
    for process in processes:
        process.join()
    return started, ended, sums


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--library", choices=sorted(LIBRARIES), default="torchvision")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--queues", choices=("one", "each"), default="one")
    parser.add_argument("--iterations", type=int, default=1000)
    parser.add_argument("--side", type=int, default=416)
    args = parser.parse_args()
    if args.processes < 1 or args.iterations < args.processes:
        parser.error("at least one process, and an image for each")
    paths = sorted(path for path in Path(args.data).rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    if not paths:
        parser.error(f"{args.data}: no JPEG files")
    started, ended, sums = serve(args, paths)
    print(json.dumps({"images": len(sums), "bytes": sum(sums), "started_ns": started, "ended_ns": ended}))


if __name__ == "__main__":
    main()
