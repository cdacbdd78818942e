"""Networks of three depths, each trained on photographs and then on with thumbnails in mind, tested on every format."""

from __future__ import annotations

import copy
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from study import textures
from study.options import TRAININGS, Options
from study.show import tell

sys.path.insert(0, str(TRAININGS))

REGULAR, AWARE = "on photographs", "with thumbnails in mind"
Key = tuple[int, str, str]
Accuracies = dict[Key, float]


def train(options: Options, folder: Path) -> tuple[dict[int, Any], Accuracies, int]:
    """Return the networks by depth, accuracies by depth, format and training, and how many images tested them."""
    import low_resolution
    import pipelines
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    names = sorted(place.name for place in (folder / "train" / "full").iterdir())
    images, labels = read(folder / "train" / "full", names)
    tests = {name: read(folder / "test" / short, names) for name, (short, _, _) in textures.FORMATS.items()}
    thumb = round(textures.THUMB * pipelines.SIDE / pipelines.SHORT)
    epochs, more = options.pick((1, 1), (8, 4), (60, 20))
    networks: dict[int, Any] = {}
    found: Accuracies = {}
    for depth in options.pick((8,), (8, 14, 20), (18, 34, 50)):
        torch.manual_seed(0)
        network = _network(options, depth, len(names))
        for trained in (REGULAR, AWARE):
            started, low = time.monotonic(), thumb if trained == AWARE else None
            rate, turns = (1e-3, epochs) if low is None else (5e-4, more)
            low_resolution.train(network, images, labels, turns, rate, low, device=device)
            for name, (pictures, truth) in tests.items():
                found[depth, name, trained] = float((low_resolution.predict(network, pictures, device) == truth).mean())
            shown = ", ".join(f"{name} {found[depth, name, trained]:.1%}" for name in tests)
            tell(f"{depth} layers, trained {trained}: {shown}; {time.monotonic() - started:.0f} s")
        networks[depth] = copy.deepcopy(network)
    return networks, found, len(next(iter(tests.values()))[1])


def _network(options: Options, depth: int, classes: int) -> Any:
    """Return the network: the published ResNets in full, small ones of as many layers where two cores have to do."""
    import low_resolution
    from torchvision import models

    if options.size == "full":
        return getattr(models, f"resnet{depth}")(num_classes=classes)
    return low_resolution.resnet(depth, classes)


def read(folder: Path, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the images as the network sees them, bytes (n, 224, 224, 3), and the numbers of their classes."""
    import pipelines
    from inference import found

    files = found(folder)
    labels = np.array([names.index(file.parent.name) for file in files], dtype=np.int64)
    return np.stack([pipelines.small(file.read_bytes()) for file in files]), labels


def error(right: float, images: int) -> float:
    """Return the standard error of an accuracy."""
    return math.sqrt(max(right * (1 - right), 1 / images) / images)
