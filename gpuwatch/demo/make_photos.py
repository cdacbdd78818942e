"""Make a folder of photographs to train on: textured backgrounds with a shape on them, one folder per shape.

python make_photos.py FOLDER [COUNT]
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

WIDTH, HEIGHT = 1000, 750
SHAPES = ("disc", "box", "triangle")


GRAIN = np.random.default_rng(0).normal(0, 9, (2 * HEIGHT, 2 * WIDTH, 1)).astype(np.int16)


def background(rng):
    """Return a smooth random texture with a camera's grain; it makes JPEG files of a photograph's size."""
    coarse = Image.fromarray(rng.integers(40, 216, (6, 8, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)).astype(np.int16)
    y, x = rng.integers(0, HEIGHT), rng.integers(0, WIDTH)
    return Image.fromarray(np.clip(smooth + GRAIN[y : y + HEIGHT, x : x + WIDTH], 0, 255).astype(np.uint8))


def draw(image, shape, rng):
    """Draw one shape at a random place, in a random colour."""
    x, y = rng.integers(200, WIDTH - 200), rng.integers(200, HEIGHT - 200)
    size = rng.integers(90, 180)
    color = tuple(int(value) for value in rng.integers(0, 256, 3))
    pen = ImageDraw.Draw(image)
    if shape == "disc":
        pen.ellipse((x - size, y - size, x + size, y + size), fill=color)
    elif shape == "box":
        pen.rectangle((x - size, y - size, x + size, y + size), fill=color)
    else:
        pen.polygon([(x, y - size), (x - size, y + size), (x + size, y + size)], fill=color)


def main(folder, count):
    """Write `count` photographs; the same ones each time."""
    for number in range(count):
        rng = np.random.default_rng(number)
        shape = SHAPES[number % len(SHAPES)]
        target = folder / shape
        target.mkdir(parents=True, exist_ok=True)
        photo = background(rng)
        draw(photo, shape, rng)
        photo.save(target / f"{number:04d}.jpg", quality=90)
        if number % 20 == 19 or number == count - 1:
            print(f"\rmaking photographs: {number + 1}/{count}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 300)
