"""Data where the original cannot be had: photographs as JPEG files, folders like COCO's and ImageNet's, CIFAR-10's files.

Every maker fills a folder once and marks it complete, so that studies share their data and a second run starts at once.
"""

from __future__ import annotations

import colorsys
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

PHOTO_ENDINGS = (".jpg", ".jpeg", ".JPG", ".JPEG")
CIFAR_SIDE = 32
CIFAR_RECORD = 1 + 3 * CIFAR_SIDE * CIFAR_SIDE
COMPLETE = "complete"


def made(folder: Path, make: Callable[[Path], None]) -> Path:
    """Return the folder, filled by `make` unless an earlier call did so; half-made data is thrown away."""
    if (folder / COMPLETE).exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    make(folder)
    (folder / COMPLETE).touch()
    return folder


def picture(width: int, height: int, seed: int) -> Image.Image:
    """Return an RGB image: smooth areas, some edges and some grain, so that it compresses as a photograph does."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 255, (height // 64 + 2, width // 64 + 2, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        draw.ellipse(_box(random, width, height), fill=tuple(int(v) for v in random.integers(0, 255, 3)))
    grain = random.integers(-10, 11, (height, width, 1), dtype=np.int16)
    return Image.fromarray(np.clip(np.asarray(image, dtype=np.int16) + grain, 0, 255).astype(np.uint8))


def _box(random: np.random.Generator, width: int, height: int) -> tuple[int, int, int, int]:
    side = int(min(width, height) * random.uniform(0.05, 0.4)) + 1
    left, top = int(random.integers(0, width - side)), int(random.integers(0, height - side))
    return left, top, left + side, top + side


def photos(folder: Path, count: int, width: int, height: int) -> list[Path]:
    """Return the paths of `count` JPEG photographs of one size, below `folder`."""

    def make(into: Path) -> None:
        for index in range(count):
            picture(width, height, index).save(into / f"{index:05d}.jpg", quality=88)

    return found(made(folder / f"photos-{count}-{width}x{height}", make))


def found(folder: Path) -> list[Path]:
    """Return all JPEG files below a folder, in order. Raises SystemExit with a line when there are none."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in PHOTO_ENDINGS)
    if not paths:
        raise SystemExit(f"{folder}: no JPEG files in it or below it")
    return paths


def image_folder(folder: Path, classes: int, each: int, width: int, height: int) -> Path:
    """Return a folder as ImageNet's: `train/<class>/<photo>.jpg`."""

    def make(into: Path) -> None:
        for index in range(classes * each):
            target = into / "train" / f"n{index % classes:08d}"
            target.mkdir(parents=True, exist_ok=True)
            picture(width, height, index).save(target / f"{index:05d}.jpg", quality=88)

    return made(folder / f"classes-{classes}x{each}-{width}x{height}", make)


def coco(folder: Path, count: int, width: int, height: int) -> Path:
    """Return a folder as COCO's: `images/*.jpg` and `annotations.json` with a few boxes per image."""

    def make(into: Path) -> None:
        (into / "images").mkdir()
        random, images, boxes = np.random.default_rng(0), [], []
        for index in range(count):
            name = f"{index:012d}.jpg"
            picture(width, height, index).save(into / "images" / name, quality=88)
            images.append({"id": index, "file_name": name, "width": width, "height": height})
            for _ in range(int(random.integers(1, 5))):
                left, top, right, bottom = _box(random, width, height)
                boxes.append(
                    {
                        "id": len(boxes),
                        "image_id": index,
                        "category_id": 1,
                        "bbox": [left, top, right - left, bottom - top],
                    }
                )
        whole = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "disc"}]}
        (into / "annotations.json").write_text(json.dumps(whole))

    return made(folder / f"coco-{count}-{width}x{height}", make)


def cifar10(folder: Path, train: int, test: int, classes: int = 10) -> Path:
    """Return a folder with CIFAR-10's binary files: `data_batch_1.bin` and `test_batch.bin`.

    A record is a label byte, then 1024 red, 1024 green and 1024 blue bytes, as the data set's page says. A class is a
    shape of about one colour on a cluttered ground, so that it can be learned and a foreground can be cut out.
    """

    def make(into: Path) -> None:
        for name, count, seed in (("data_batch_1.bin", train, 0), ("test_batch.bin", test, 1)):
            random = np.random.default_rng(seed)
            records = np.empty((count, CIFAR_RECORD), dtype=np.uint8)
            for row in records:
                row[0] = random.integers(0, classes)
                row[1:] = _thing(int(row[0]), random).transpose(2, 0, 1).reshape(-1)
            records.tofile(into / name)

    return made(folder / f"cifar10-{train}-{test}", make)


def _thing(label: int, random: np.random.Generator) -> np.ndarray:
    """Return a picture (32, 32, 3) of a class: five shapes, upright or lying, about one hue each."""
    ground = Image.fromarray(random.integers(0, 255, (5, 5, 3), dtype=np.uint8)).resize((CIFAR_SIDE, CIFAR_SIDE))
    draw = ImageDraw.Draw(ground)
    x, y, reach = (int(v) for v in (random.integers(11, 21), random.integers(11, 21), random.integers(6, 10)))
    wide, high = (reach, reach // 2 + 1) if label >= 5 else (reach // 2 + 1, reach)
    box = (x - wide, y - high, x + wide, y + high)
    hue = (label / 10 + random.uniform(-0.06, 0.06)) % 1
    colour = tuple(int(255 * v) for v in colorsys.hsv_to_rgb(hue, random.uniform(0.5, 1), random.uniform(0.5, 1)))
    if label % 5 == 0:
        draw.ellipse(box, fill=colour)
    elif label % 5 == 1:
        draw.rectangle(box, fill=colour)
    elif label % 5 == 2:
        draw.polygon([(x, box[1]), (box[2], box[3]), (box[0], box[3])], fill=colour)
    elif label % 5 == 3:
        draw.ellipse(box, outline=colour, width=2)
    else:
        draw.line((box[0], box[1], box[2], box[3]), fill=colour, width=3)
        draw.line((box[0], box[3], box[2], box[1]), fill=colour, width=3)
    return np.clip(np.asarray(ground, dtype=np.int16) + random.integers(-8, 9, (32, 32, 1)), 0, 255).astype(np.uint8)


def read_cifar10(files: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Return images (n, 32, 32, 3) uint8 and labels (n,) of CIFAR-10's binary files. Raises SystemExit on a torn one."""
    records = []
    for file in files:
        data = np.fromfile(file, dtype=np.uint8)
        if not len(data) or len(data) % CIFAR_RECORD:
            raise SystemExit(
                f"{file}: {len(data)} bytes are no whole number of CIFAR-10 records ({CIFAR_RECORD} bytes)"
            )
        records.append(data.reshape(-1, CIFAR_RECORD))
    whole = np.concatenate(records)
    images = whole[:, 1:].reshape(-1, 3, CIFAR_SIDE, CIFAR_SIDE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), whole[:, 0].astype(np.int64)
