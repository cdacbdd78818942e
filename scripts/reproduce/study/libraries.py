"""The same image operations in five libraries, each on what that library loads: files in, its own image type out.

Resampling is bilinear everywhere; a jitter sets brightness, contrast and saturation to 1.2; a rotation is 10 degrees; a
crop takes the middle half of both sides. Nothing is random, so that all do the same work.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from PIL import Image, ImageEnhance
from torchvision.io import decode_image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

FACTOR = 1.2
DEGREES = 10
BILINEAR = Image.Resampling.BILINEAR
GRAY = np.array([0.299, 0.587, 0.114])


class Library(Protocol):
    """What every library can do; images are of its own type."""

    def load(self, path: Path) -> Any: ...
    def resize(self, image: Any, side: int) -> Any: ...
    def crop(self, image: Any) -> Any: ...
    def rotate(self, image: Any) -> Any: ...
    def jitter(self, image: Any) -> Any: ...
    def flip(self, image: Any) -> Any: ...


def middle(width: int, height: int) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of the middle half."""
    return width // 4, height // 4, width // 4 + width // 2, height // 4 + height // 2


class Pillow:
    def load(self, path: Path) -> Image.Image:
        return Image.open(path).convert("RGB")

    def resize(self, image: Image.Image, side: int) -> Image.Image:
        return image.resize((side, side), BILINEAR)

    def crop(self, image: Image.Image) -> Image.Image:
        return image.crop(middle(*image.size))

    def rotate(self, image: Image.Image) -> Image.Image:
        return image.rotate(DEGREES, BILINEAR)

    def jitter(self, image: Image.Image) -> Image.Image:
        for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
            image = change(image).enhance(FACTOR)
        return image

    def flip(self, image: Image.Image) -> Image.Image:
        return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


class OpenCV:
    def load(self, path: Path) -> np.ndarray:
        image = cv2.imread(str(path))
        if image is None:
            raise SystemExit(f"{path}: OpenCV cannot read it")
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    def resize(self, image: np.ndarray, side: int) -> np.ndarray:
        return cv2.resize(image, (side, side), interpolation=cv2.INTER_LINEAR)

    def crop(self, image: np.ndarray) -> np.ndarray:
        left, top, right, bottom = middle(image.shape[1], image.shape[0])
        return cv2.copyMakeBorder(image[top:bottom, left:right], 0, 0, 0, 0, cv2.BORDER_CONSTANT)

    def rotate(self, image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), DEGREES, 1.0)
        return cv2.warpAffine(image, turn, (width, height), flags=cv2.INTER_LINEAR)

    def jitter(self, image: np.ndarray) -> np.ndarray:
        image = cv2.convertScaleAbs(image, alpha=FACTOR)
        mean = cv2.mean(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))[0]
        image = cv2.addWeighted(image, FACTOR, image, 0, (1 - FACTOR) * mean)
        gray = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        return cv2.addWeighted(image, FACTOR, gray, 1 - FACTOR, 0)

    def flip(self, image: np.ndarray) -> np.ndarray:
        return cv2.flip(image, 1)


class Numpy(OpenCV):
    """Arrays from Pillow's decoder; crop and flip are numpy's own, the rest is borrowed from OpenCV."""

    def load(self, path: Path) -> np.ndarray:
        return np.asarray(Image.open(path).convert("RGB"))

    def crop(self, image: np.ndarray) -> np.ndarray:
        left, top, right, bottom = middle(image.shape[1], image.shape[0])
        return np.ascontiguousarray(image[top:bottom, left:right])

    def flip(self, image: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(image[:, ::-1])


class Torchvision:
    """Version 2 of its transforms on byte tensors from its own decoder."""

    def load(self, path: Path) -> torch.Tensor:
        return decode_image(str(path), mode="RGB")

    def resize(self, image: torch.Tensor, side: int) -> torch.Tensor:
        return functional.resize(image, [side, side], InterpolationMode.BILINEAR, antialias=True)

    def crop(self, image: torch.Tensor) -> torch.Tensor:
        left, top, right, bottom = middle(image.shape[2], image.shape[1])
        return functional.crop(image, top, left, bottom - top, right - left).contiguous()

    def rotate(self, image: torch.Tensor) -> torch.Tensor:
        return functional.rotate(image, DEGREES, InterpolationMode.BILINEAR)

    def jitter(self, image: torch.Tensor) -> torch.Tensor:
        image = functional.adjust_contrast(functional.adjust_brightness(image, FACTOR), FACTOR)
        return functional.adjust_saturation(image, FACTOR)

    def flip(self, image: torch.Tensor) -> torch.Tensor:
        return functional.horizontal_flip(image)


class Albumentations(OpenCV):
    """Its transforms, applied always, on arrays from OpenCV's decoder."""

    def __init__(self) -> None:
        import albumentations

        one = (FACTOR, FACTOR)
        self.made: dict[int, Any] = {}
        self.library = albumentations
        self.turn = albumentations.Rotate((DEGREES, DEGREES), p=1)
        self.colour = albumentations.ColorJitter(one, one, one, (0, 0), p=1)
        self.mirror = albumentations.HorizontalFlip(p=1)

    def resize(self, image: np.ndarray, side: int) -> np.ndarray:
        resize = self.made.setdefault(side, self.library.Resize(side, side, interpolation=cv2.INTER_LINEAR))
        return resize(image=image)["image"]

    def crop(self, image: np.ndarray) -> np.ndarray:
        left, top, right, bottom = middle(image.shape[1], image.shape[0])
        return np.ascontiguousarray(self.library.Crop(left, top, right, bottom, p=1)(image=image)["image"])

    def rotate(self, image: np.ndarray) -> np.ndarray:
        return self.turn(image=image)["image"]

    def jitter(self, image: np.ndarray) -> np.ndarray:
        return self.colour(image=image)["image"]

    def flip(self, image: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(self.mirror(image=image)["image"])


PUBLISHED: dict[str, Callable[[], Library]] = {"Pillow": Pillow, "OpenCV": OpenCV, "numpy": Numpy}
BEYOND: dict[str, Callable[[], Library]] = {"torchvision v2": Torchvision, "albumentations": Albumentations}


def one_thread() -> None:
    """Have every library work on one core, as one of several DataLoader workers does."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
