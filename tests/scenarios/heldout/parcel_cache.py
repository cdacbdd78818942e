"""Crops on parcels of land: parcels are decoded in the first epoch and kept in memory from then on; nothing to win."""

import argparse
import io
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

SIDE, CROPS = 64, 6


def survey(path, count=160):
    path.parent.mkdir(parents=True)
    rng = np.random.default_rng(151)
    crops = rng.integers(0, CROPS, count)
    parcels = []
    for crop in crops:
        coarse = rng.integers(0, 90, (16, 16, 3), dtype=np.uint8) + np.uint8(20 * crop)
        image = Image.fromarray(coarse).resize((260, 260), Image.Resampling.BICUBIC)
        file = io.BytesIO()
        image.save(file, "PNG")
        parcels.append(file.getvalue())
    torch.save({"parcels": parcels, "crops": crops.tolist()}, path)


class Parcels(Dataset):
    """`cache` holds what was decoded; a second visit costs a copy."""

    def __init__(self, path):
        stored = torch.load(path)
        self.parcels, self.crops = stored["parcels"], stored["crops"]
        self.cache = {}

    def __len__(self):
        return len(self.parcels)

    def decode(self, index):
        image = Image.open(io.BytesIO(self.parcels[index])).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)

    def __getitem__(self, index):
        if index not in self.cache:
            self.cache[index] = self.decode(index)
        image = self.cache[index].float() / 255
        return image.flip(2) if torch.rand(()) < 0.5 else image, self.crops[index]


class CropNet(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
        )
        self.head = nn.Linear(width, CROPS)

    def forward(self, images):
        return self.head(self.body(images).flatten(1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "parcel_cache")
    parser.add_argument("--prepare", action="store_true", help="survey the parcels and stop")
    parser.add_argument("--fix", action="store_true", help="one epoch kept for ever: all that could be won")
    args = parser.parse_args()
    path = args.data / "parcels.pt"
    if not path.exists():
        survey(path)
    if args.prepare:
        return
    torch.set_num_threads(1)
    torch.manual_seed(157)
    dataset = Parcels(path)
    loader = DataLoader(dataset, batch_size=16, shuffle=True)
    batches = list(loader) if args.fix else loader
    model = CropNet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    steps, began = 0, time.perf_counter()
    for epoch in range(24):
        right = 0
        for images, crops in batches:
            scores = model(images)
            loss = nn.functional.cross_entropy(scores, crops)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            right += (scores.argmax(1) == crops).sum().item()
            steps += 1
        print(f"epoch {epoch}: accuracy {right / len(dataset):.3f}", flush=True)
    print(f"trained {steps} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
