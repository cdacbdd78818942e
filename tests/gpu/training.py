"""A real training on made JPEGs, bound by the device or by its loader; it writes down what its own clock saw.

    python training.py --bound loader --device cuda --seconds 10 --data DIR --result FILE [--profile]

The result: per step the wait for the batch and the whole step (ms, host clock); with --profile also how long the GPU
stood still in each wait, by torch.profiler.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import idle
import torch
import torchvision
from PIL import Image
from torch.utils.data import DataLoader, Dataset

# (model, pixels, batch size, workers): which of the two is the limit follows from these.
SETTINGS = {
    ("device", "cuda"): ("resnet152", 224, 48, max(2, len(os.sched_getaffinity(0)) - 2)),
    ("loader", "cuda"): ("resnet18", 224, 16, 1),
    ("device", "cpu"): ("resnet18", 64, 4, 1),
    ("loader", "cpu"): ("mobilenet_v3_small", 32, 8, 0),
}
SOURCE_PIXELS = {("device", "cuda"): 256, ("loader", "cuda"): 640, ("device", "cpu"): 64, ("loader", "cpu"): 640}
WARMUP = {"cuda": 8, "cpu": 2}


class Photos(Dataset[tuple[torch.Tensor, int]]):
    """JPEG files, decoded and cropped; the same few again and again."""

    def __init__(self, files: list[Path], pixels: int) -> None:
        self.files = files
        self.transform = torchvision.transforms.Compose(
            [torchvision.transforms.RandomResizedCrop(pixels), torchvision.transforms.ToTensor()]
        )

    def __len__(self) -> int:
        return 1 << 24

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        with Image.open(self.files[index % len(self.files)]) as image:
            return self.transform(image.convert("RGB")), index % 10


def photos(folder: Path, pixels: int, count: int = 32) -> list[Path]:
    """Return JPEG files of noise over a gradient, made if they are not there."""
    files = [folder / f"{pixels}-{number}.jpg" for number in range(count)]
    for number, file in enumerate(files):
        if not file.exists():
            noise = torch.rand(3, pixels, pixels, generator=torch.Generator().manual_seed(number)) * 0.3
            ramp = torch.linspace(0, 0.7, pixels).expand(3, pixels, pixels)
            torchvision.utils.save_image(noise + ramp, file)
    return files


def fitting(batch_size: int, workers: int, pixels: int, device: str) -> tuple[int, int]:
    """Return batch size and workers that this machine has the memory for: the GPU's, and /dev/shm for what is in flight."""
    if device == "cuda" and torch.cuda.get_device_properties(0).total_memory < 20 << 30:
        batch_size = min(batch_size, 16)
    room = shutil.disk_usage("/dev/shm").free if os.path.isdir("/dev/shm") else 0
    in_flight = 3 * batch_size * 3 * pixels * pixels * 4
    return batch_size, min(workers, max(1, room // in_flight)) if workers else 0


def train(bound: str, device: str, seconds: float, folder: Path, profiler: Any) -> dict[str, Any]:
    """Train for so long after a warm-up; return the truth of its steps."""
    name, pixels, batch_size, workers = SETTINGS[bound, device]
    batch_size, workers = fitting(batch_size, workers, pixels, device)
    warmup = WARMUP[device]
    data = Photos(photos(folder, SOURCE_PIXELS[bound, device]), pixels)
    loader = DataLoader(data, batch_size, num_workers=workers, pin_memory=device == "cuda")
    model = getattr(torchvision.models, name)(num_classes=10).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    batches, waits, steps = iter(loader), [], []
    until, begun = float("inf"), time.perf_counter()
    with contextlib.ExitStack() as stack:
        while begun < until:
            if len(steps) == warmup:
                if profiler is not None:
                    stack.enter_context(profiler)  # takes seconds the first time: they are not the training's
                until = time.perf_counter() + seconds
            asked = time.perf_counter()
            with torch.profiler.record_function(idle.NEXT) if profiler is not None else contextlib.nullcontext():
                images, labels = next(batches)
            given = time.perf_counter()
            optimizer.zero_grad()
            output = model(images.to(device, non_blocking=True))
            torch.nn.functional.cross_entropy(output, labels.to(device, non_blocking=True)).backward()
            optimizer.step()
            begun = time.perf_counter()
            waits.append(1e3 * (given - asked))
            steps.append(1e3 * (begun - asked))
        if device == "cuda":
            torch.cuda.synchronize()
        total_s = time.perf_counter() - (until - seconds)
    settings = {"model": name, "batch_size": batch_size, "workers": workers}
    return {**settings, "wait_ms": waits[warmup:], "step_ms": steps[warmup:], "seconds": total_s, "first": warmup}


def profiler_trace(profiler: Any) -> dict[str, Any]:
    """Return what a finished profiler saw, as its trace."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "trace.json")
        profiler.export_chrome_trace(str(path))
        trace: dict[str, Any] = json.loads(path.read_text())
    return trace


def main() -> None:
    """Train as told, and write the result."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    arguments.add_argument("--bound", choices=("device", "loader"), required=True)
    arguments.add_argument("--device", default="cuda")
    arguments.add_argument("--seconds", type=float, default=8.0)
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--result", type=Path, required=True)
    arguments.add_argument("--profile", action="store_true")
    options = arguments.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1 if options.device == "cpu" else torch.get_num_threads())
    profiler = torch.profiler.profile() if options.profile else None
    result = train(options.bound, options.device, options.seconds, options.data, profiler)
    if profiler is not None:
        result["idle_ms"] = idle.waits_ms(profiler_trace(profiler))
    options.result.write_text(json.dumps(result))


if __name__ == "__main__":
    main()
