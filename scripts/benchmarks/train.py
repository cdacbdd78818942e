"""Train a small classifier on photographs with two workers, steps of about 10 ms, and write what the loop itself saw.

    python train.py PHOTOS --result FILE [--seconds 10] [--tool torch-profiler|torch-schedule|traceml] [--exit 3]

The photographs are rotated and only then shrunk, so the workers are what it waits for. Loop time starts after
`--warm-up` steps. `--tool` puts in what the tools ask for that work only from within a script.
"""

import argparse
import contextlib
import json
import sys
import time

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

SIZE = 48


def make_loader(folder, workers):
    augment = transforms.Compose(
        [
            transforms.RandomRotation(15, interpolation=transforms.InterpolationMode.BILINEAR),
            transforms.Resize((SIZE, SIZE)),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    photos = datasets.ImageFolder(folder, transform=augment)
    return DataLoader(photos, batch_size=2, sampler=Endless(len(photos)), num_workers=workers), len(photos.classes)


class Endless:
    """Shuffle for ever: the loop ends by the clock."""

    def __init__(self, count):
        self.count = count

    def __iter__(self):
        while True:
            yield from torch.randperm(self.count).tolist()


def make_model(classes):
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, classes),
    )  # fmt: skip


def train(loader, model, options, profiler, step_of):
    """Return what the loop saw: steps after the warm-up, their seconds, when the first batch came."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    seen = {"first_batch_ns": 0, "steps": 0, "loop_s": 0.0}
    began = 0.0
    for number, (images, labels) in enumerate(loader):
        now = time.monotonic()
        if number == 0:
            seen["first_batch_ns"] = time.monotonic_ns()
            mark(options.result + ".training", "")
        if number == options.warm_up:
            began = now
        elif number > options.warm_up:
            seen["steps"], seen["loop_s"] = number - options.warm_up, now - began
            if now - began >= options.seconds:
                break
        with step_of(model):
            optimizer.zero_grad(set_to_none=True)
            loss = nn.functional.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
        if profiler:
            profiler.step()
    return seen | {"loop_end_ns": time.monotonic_ns()}


def mark(path, text):
    with open(path, "w") as file:
        file.write(text)


def tool(options):
    """Return (a profiler to enter, the context of a step) for the tool that the script is to use."""
    if options.tool == "traceml":
        import traceml_ai

        traceml_ai.init()
        return contextlib.nullcontext(), traceml_ai.trace_step
    if options.tool is None:
        return contextlib.nullcontext(), lambda model: contextlib.nullcontext()
    import torch.profiler as torch_profiler

    trace = torch_profiler.tensorboard_trace_handler(options.out)
    plan = torch_profiler.schedule(wait=50, warmup=5, active=20, repeat=3) if options.tool == "torch-schedule" else None
    profiler = torch_profiler.profile(
        activities=[torch_profiler.ProfilerActivity.CPU], schedule=plan, on_trace_ready=trace, with_stack=True
    )
    return profiler, lambda model: contextlib.nullcontext()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("photos")
    parser.add_argument("--result", required=True)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--warm-up", type=int, default=20)
    parser.add_argument("--tool", choices=["torch-profiler", "torch-schedule", "traceml"])
    parser.add_argument("--out", help="folder for what the tool writes")
    parser.add_argument("--exit", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)  # the workers need the other cores
    loader, classes = make_loader(options.photos, options.workers)
    profiling, step_of = tool(options)
    try:
        with profiling as profiler:
            seen = train(loader, make_model(classes), options, profiler, step_of)
        mark(options.result, json.dumps(seen))
    except KeyboardInterrupt:
        mark(options.result + ".interrupted", "")  # what a script of one's own would save here
        raise
    if profiler:
        print(profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=5, max_name_column_width=80))
    sys.exit(options.exit)


if __name__ == "__main__":
    main()
