"""Write photographs in class folders: ROOT/train/class0/0000.jpg …, ROOT/val/…

    photos.py ROOT [--train 400] [--val 40] [--classes 4] [--size 640x480] [--names train,val]

Smooth colours with grain, which JPEG stores at about the size of a real photograph. Needs numpy and Pillow.
"""

import argparse
from pathlib import Path

import numpy
from PIL import Image


def photograph(random: "numpy.random.Generator", width: int, height: int) -> Image.Image:
    small = random.integers(0, 255, (6, 8, 3), dtype=numpy.uint8)
    smooth = numpy.asarray(Image.fromarray(small).resize((width, height), Image.BICUBIC), dtype=numpy.int16)
    grain = random.integers(-14, 15, (height, width, 1), dtype=numpy.int16)
    return Image.fromarray(numpy.clip(smooth + grain, 0, 255).astype(numpy.uint8))


def size(text: str) -> "tuple[int, int]":
    width, height = text.split("x")
    return int(width), int(height)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("--train", type=int, default=400)
    parser.add_argument("--val", type=int, default=40)
    parser.add_argument("--classes", type=int, default=4)
    parser.add_argument("--size", type=size, default=(640, 480))
    parser.add_argument("--names", default="train,val")
    args = parser.parse_args()
    random = numpy.random.default_rng(0)
    for split, count in zip(args.names.split(","), (args.train, args.val), strict=False):
        for number in range(count):
            folder = args.root / split / f"class{number % args.classes}"
            folder.mkdir(parents=True, exist_ok=True)
            photograph(random, *args.size).save(folder / f"{number:04d}.jpg", quality=90)


if __name__ == "__main__":
    main()
