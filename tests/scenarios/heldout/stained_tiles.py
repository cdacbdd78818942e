"""Tissue in stained tiles of two hospitals: the stain is varied in optical density, with 64-bit logarithms per tile."""

import argparse
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import nn
from torch.utils.data import ConcatDataset, DataLoader, Dataset
from torchvision import transforms

SIDE = 192
STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
UNMIX = np.linalg.inv(STAINS)


def scan(path, tiles, seed):
    rng = np.random.default_rng(seed)
    with h5py.File(path, "w") as file:
        data = file.create_dataset("tiles", (tiles, SIDE, SIDE, 3), np.uint8, chunks=(1, SIDE, SIDE, 3))
        for number in range(tiles):
            coarse = rng.integers(60, 250, (SIDE // 8, SIDE // 8, 3), dtype=np.uint8)
            data[number] = coarse.repeat(8, 0).repeat(8, 1)
        file["tissue"] = rng.integers(0, 4, tiles)


class HospitalTiles(Dataset):
    def __init__(self, path, transform):
        self.path, self.transform, self.file = path, transform, None
        with h5py.File(path) as file:
            self.tissue = file["tissue"][:]

    def __len__(self):
        return len(self.tissue)

    def __getitem__(self, index):
        if self.file is None:
            self.file = h5py.File(self.path)
        return self.transform(self.file["tiles"][index]), int(self.tissue[index])  # <- cause


class StainJitter:
    """Vary how strongly each stain shows (haematoxylin, eosin and the rest)."""

    def __init__(self, strength=0.05):
        self.strength = strength

    def __call__(self, tile):
        density = -np.log((tile.astype(np.float64) + 1.0) / 256.0)  # <- cause
        stains = np.einsum("hwc,cs->hws", density, UNMIX)  # <- cause
        stains = stains * np.random.uniform(1 - self.strength, 1 + self.strength, 3)  # <- cause
        stains = stains + np.random.uniform(-self.strength, self.strength, 3)  # <- cause
        density = np.einsum("hws,sc->hwc", stains, STAINS)  # <- cause
        return np.clip(np.exp(-density) * 256.0 - 1.0, 0, 255).astype(np.uint8)  # <- cause


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "stained_tiles")
    parser.add_argument("--prepare", action="store_true", help="scan the tiles and stop")
    parser.add_argument("--fix", action="store_true", help="leave the stains as they are")
    args = parser.parse_args()
    if not args.data.exists():
        args.data.mkdir(parents=True)
        scan(args.data / "north.h5", 400, 1)
        scan(args.data / "south.h5", 240, 2)
    if args.prepare:
        return
    torch.set_num_threads(1)
    steps = [transforms.ToTensor(), transforms.RandomHorizontalFlip(), transforms.RandomVerticalFlip()]
    augment = transforms.Compose(steps if args.fix else [StainJitter(), *steps])  # <- cause
    tiles = ConcatDataset([HospitalTiles(args.data / f"{name}.h5", augment) for name in ("north", "south")])
    loader = DataLoader(tiles, batch_size=16, shuffle=True, num_workers=2, persistent_workers=True, drop_last=True)
    model = nn.Sequential(nn.Conv2d(3, 8, 7, stride=8), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten())
    model.append(nn.Linear(128, 4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 8)
    trained, began = 0, time.perf_counter()
    for epoch in range(8):
        total = torch.zeros(())
        for images, tissue in loader:
            loss = nn.functional.cross_entropy(model(images), tissue, label_smoothing=0.1)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            time.sleep(0.015)  # the rest of a ResNet, on a device
            optimizer.step()
            total += loss.detach()
            trained += 1
        schedule.step()
        print(f"epoch {epoch}: loss {total.item() / len(loader):.4f}", flush=True)
    print(f"trained {trained} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
