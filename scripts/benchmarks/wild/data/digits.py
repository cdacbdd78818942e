"""Write made digits in MNIST's own files, which torchvision reads without a download.

Usage: digits.py FOLDER TRAIN TEST.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np

CLASSES = 10
SIDE = 28


def digits(count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures of strokes that differ by class, with noise, and their labels."""
    strokes = np.random.default_rng(3).random((CLASSES, SIDE, SIDE)) > 0.8
    labels = random.integers(0, CLASSES, count)
    ink = strokes[labels] * random.uniform(120, 255, (count, 1, 1)) + random.normal(0, 30, (count, SIDE, SIDE))
    return ink.clip(0, 255).astype(np.uint8), labels.astype(np.uint8)


def main() -> None:
    """Write the four files into FOLDER/MNIST/raw."""
    folder = Path(sys.argv[1]) / "MNIST" / "raw"
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(5)
    for name, count in (("train", int(sys.argv[2])), ("t10k", int(sys.argv[3]))):
        images, labels = digits(count, random)
        header = struct.pack(">iiii", 2051, count, SIDE, SIDE)
        (folder / f"{name}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">ii", 2049, count) + labels.tobytes())


main()
