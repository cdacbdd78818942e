"""Images whose class lies in their fine detail, as photographs and as the thumbnails that sites keep of them.

A class is the direction and the period of a faint grating, over a smooth ground with shapes and grain. Its period is
a few pixels at the network's size: thumbnails still hold it, fainter; strong JPEG compression wipes much of it away.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from study.data import made, picture

WIDTH, HEIGHT = 500, 375
# The short side of thumbnails, as published.
THUMB = 161
DIRECTIONS = 4
# Pixels of the photograph; the network sees them shorter by 256 / 375.
PERIODS = (5.4, 7.8)
CLASSES = DIRECTIONS * len(PERIODS)
# Format: folder, ending, and how Pillow saves it.
FORMATS = {
    "full size": ("full", "jpg", {"quality": 90}),
    "161 PNG": ("png", "png", {}),
    "161 JPEG q95": ("q95", "jpg", {"quality": 95}),
    "161 JPEG q75": ("q75", "jpg", {"quality": 75}),
}


def textured(label: int, seed: int) -> Image.Image:
    """Return a photograph of a class."""
    random = np.random.default_rng(seed + 1_000_000)
    direction, period = label % DIRECTIONS, PERIODS[label // DIRECTIONS]
    angle = np.pi * (direction + random.uniform(-0.2, 0.2)) / DIRECTIONS
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    wave = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / (period * random.uniform(0.95, 1.05)))
    strength = random.uniform(10, 20)
    image = np.asarray(picture(WIDTH, HEIGHT, seed), dtype=np.float32) + strength * wave[..., None]
    return Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))


def folder(into: Path, train: int, test: int) -> Path:
    """Return a folder with `train/full/<class>` and, in every format, `test/<format>/<class>`."""

    def make(place: Path) -> None:
        for part, count in (("train", train), ("test", test)):
            for index in range(count):
                label = index % CLASSES
                image = textured(label, index + (0 if part == "train" else train))
                for name in FORMATS if part == "test" else ("full size",):
                    save(image, place / part, name, label, f"{index:05d}")

    return made(into / f"textures-{train}-{test}", make)


def save(image: Image.Image, place: Path, name: str, label: int, stem: str) -> None:
    """Save an image in a format below its class; a thumbnail is resized first."""
    short, ending, how = FORMATS[name]
    if short != "full":
        scale = THUMB / min(image.size)
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
    target = place / short / f"{label:04d}"
    target.mkdir(parents=True, exist_ok=True)
    image.save(target / f"{stem}.{ending}", **how)
