"""What the scenario scripts share: their switches, data of the usual kinds, and a network on an imagined device.

`--prepare` makes the data and leaves, so that a measured run starts with the files in place.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn


def options(description: str | None) -> argparse.Namespace:
    """Return the switches of every scenario: `fix` and the `data` folder.

    The models are tiny: one thread trains them as fast as several and leaves the cores to the loaders.
    """
    torch.set_num_threads(1)
    default = Path(tempfile.gettempdir()) / "gpuwatch-scenarios" / Path(sys.argv[0]).stem
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--fix", action="store_true", help="train with the known fix")
    parser.add_argument("--data", type=Path, default=default, help="where the data is, or is made")
    parser.add_argument("--prepare", action="store_true", help="make the data and leave")
    return parser.parse_args()


def made(folder: Path, make: Callable[[Path], None]) -> Path:
    """Return the folder, filled by `make` unless an earlier run did so; leave the program under `--prepare`."""
    if not (folder / "complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        make(folder)
        (folder / "complete").touch()
    if "--prepare" in sys.argv:
        raise SystemExit(0)
    return folder


def picture(width: int, height: int, seed: int) -> np.ndarray:
    """Return an RGB image (height, width, 3) uint8: smooth areas with some grain, as a photograph has."""
    from PIL import Image

    random = np.random.default_rng(seed)
    coarse = random.integers(0, 255, (height // 40 + 2, width // 40 + 2, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), dtype=np.int16)
    grain = random.integers(-12, 12, (height, width, 1), dtype=np.int16)
    return np.clip(smooth + grain, 0, 255).astype(np.uint8)


def photos(folder: Path, count: int, width: int, height: int, suffix: str = ".jpg") -> list[Path]:
    """Return the paths of `count` image files of one size."""
    from PIL import Image

    def make(into: Path) -> None:
        for index in range(count):
            Image.fromarray(picture(width, height, index)).save(into / f"{index:05d}{suffix}", quality=88)

    return sorted(made(folder, make).glob(f"*{suffix}"))


def recordings(folder: Path, count: int, seconds: float, rate: int = 16000) -> list[Path]:
    """Return the paths of `count` mono 16-bit wav files."""
    from scipy.io import wavfile

    def make(into: Path) -> None:
        t = np.arange(int(seconds * rate)) / rate
        for index in range(count):
            random = np.random.default_rng(index)
            tone = np.sin(2 * np.pi * random.uniform(80, 2000) * t) + 0.1 * random.standard_normal(t.size)
            wavfile.write(into / f"{index:05d}.wav", rate, (tone * 8000).astype(np.int16))

    return sorted(made(folder, make).glob("*.wav"))


def sentences(count: int, words: int, seed: int = 0) -> list[str]:
    """Return `count` texts of about `words` made-up words each, with some punctuation."""
    random = np.random.default_rng(seed)
    letters = np.array(list("etaoinshrdlucmfwypvbgk"))
    vocabulary = ["".join(random.choice(letters, size=random.integers(2, 10))) for _ in range(4000)]
    ends = np.array([" ", " ", " ", " ", ", ", ". "])
    texts = []
    for _ in range(count):
        picks = random.zipf(1.3, size=words) % len(vocabulary)
        gaps = random.choice(ends, size=words)
        texts.append("".join(vocabulary[pick] + gap for pick, gap in zip(picks, gaps, strict=True)))
    return texts


class _DeviceTime(torch.autograd.Function):
    """Pass a tensor through and let time go by, as a kernel on a device would: no CPU is used."""

    @staticmethod
    def forward(context, values, forward_s, backward_s):  # type: ignore[no-untyped-def]
        context.backward_s = backward_s
        time.sleep(forward_s)
        return values.view_as(values)

    @staticmethod
    def backward(context, gradient):  # type: ignore[no-untyped-def]
        time.sleep(context.backward_s)
        return gradient, None, None


class Network(nn.Module):
    """A small classifier whose forward and backward take `device_ms` together without using the CPU."""

    def __init__(self, inputs: int, classes: int = 10, device_ms: float = 10.0) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, 32)
        self.last = nn.Linear(32, classes)
        self.device_s = device_ms / 1000

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(self.first(values.flatten(1)))
        hidden = _DeviceTime.apply(hidden, self.device_s / 3, self.device_s * 2 / 3)
        return self.last(hidden)


class ImageNetwork(Network):
    """The same on images (batch, 3, height, width), pooled to 8 × 8 first."""

    def __init__(self, classes: int = 10, device_ms: float = 10.0) -> None:
        super().__init__(3 * 64, classes, device_ms)
        self.pool = nn.AdaptiveAvgPool2d(8)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(self.pool(images))


def report(steps: int, started: float, waited: float | None = None) -> None:
    """Print what a training prints at its end; `started` is `time.perf_counter()` of the loop's start, `waited` the seconds
    in which it got its batches, by its own clock."""
    seconds = time.perf_counter() - started
    print(f"trained {steps} steps in {seconds:.3f} s", flush=True)
    if waited is not None:
        print(f"of which {waited / seconds:.4f} for batches", flush=True)
