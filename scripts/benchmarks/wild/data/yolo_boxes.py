"""Write photographs with boxes as YOLO wants them: ROOT/images/train/0000.jpg, ROOT/labels/train/0000.txt, ROOT/data.yaml.

    yolo_boxes.py ROOT [--train 64] [--val 16] [--size 1280x960]

Needs what photos.py needs.
"""

import argparse
from pathlib import Path

import numpy
from photos import photograph, size
from PIL import ImageDraw

CLASSES = ("circle", "square")


def draw(photo, random) -> "list[str]":
    """Draw some shapes and return their lines: class, centre and size, as shares of the picture."""
    pen, lines = ImageDraw.Draw(photo), []
    for _ in range(3):
        kind = int(random.integers(2))
        half = int(random.integers(photo.height // 16, photo.height // 6))
        x = int(random.integers(half, photo.width - half))
        y = int(random.integers(half, photo.height - half))
        colour = tuple(int(value) for value in random.integers(0, 255, 3))
        (pen.ellipse if kind == 0 else pen.rectangle)([x - half, y - half, x + half, y + half], fill=colour)
        shares = (x / photo.width, y / photo.height, 2 * half / photo.width, 2 * half / photo.height)
        lines.append(" ".join([str(kind), *(f"{share:.6f}" for share in shares)]))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("--train", type=int, default=64)
    parser.add_argument("--val", type=int, default=16)
    parser.add_argument("--size", type=size, default=(1280, 960))
    args = parser.parse_args()
    random = numpy.random.default_rng(0)
    for split, count in (("train", args.train), ("val", args.val)):
        images, labels = args.root / "images" / split, args.root / "labels" / split
        images.mkdir(parents=True, exist_ok=True)
        labels.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            photo = photograph(random, *args.size)
            (labels / f"{number:04d}.txt").write_text("\n".join(draw(photo, random)) + "\n")
            photo.save(images / f"{number:04d}.jpg", quality=90)
    names = "\n".join(f"  {number}: {name}" for number, name in enumerate(CLASSES))
    text = f"path: {args.root.resolve()}\ntrain: images/train\nval: images/val\nnames:\n{names}\n"
    (args.root / "data.yaml").write_text(text)


if __name__ == "__main__":
    main()
