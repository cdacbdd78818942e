"""Ships in harbour photographs: the photograph is decoded whole, and the 64 pixels around one ship are cut out."""

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset, WeightedRandomSampler
from torchvision import transforms

CROP = 64


def photograph(folder, photos=24, ships=12, width=1920, height=1440):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(17)
    rows = []
    for number in range(photos):
        small = rng.integers(0, 255, (height // 24, width // 24, 3), dtype=np.uint8)
        photo = np.asarray(Image.fromarray(small).resize((width, height), Image.BICUBIC)).astype(np.int16)
        photo = (photo + rng.integers(-12, 12, photo.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(photo).save(folder / f"harbour_{number:03d}.jpg", quality=88)
        for _ in range(ships):
            left, top = int(rng.integers(width - CROP)), int(rng.integers(height - CROP))
            rows.append((f"harbour_{number:03d}.jpg", left, top, rng.choice(4, p=[0.6, 0.2, 0.15, 0.05])))
    pd.DataFrame(rows, columns=["file", "left", "top", "kind"]).to_csv(folder / "ships.csv", index=False)


class Ships(Dataset):
    def __init__(self, folder, transform):
        self.folder = folder
        self.ships = list(pd.read_csv(folder / "ships.csv").itertuples(index=False, name=None))
        self.transform = transform
        self.cut = None

    def __len__(self):
        return len(self.ships)

    def crop(self, index):
        file, left, top, _ = self.ships[index]
        with Image.open(self.folder / file) as photo:
            return photo.convert("RGB").crop((left, top, left + CROP, top + CROP))  # <- cause

    def __getitem__(self, index):
        image = self.crop(index) if self.cut is None else self.cut[index]  # <- cause
        return self.transform(image), self.ships[index][3]


@torch.no_grad()
def accuracy(model, loader):
    model.eval()
    right = sum((model(images).argmax(1) == kinds).sum().item() for images, kinds in loader)
    model.train()
    return right / len(loader.dataset)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "harbour_ships")
    parser.add_argument("--prepare", action="store_true", help="take the photographs and stop")
    parser.add_argument("--fix", action="store_true", help="cut all ships out before the training")
    args = parser.parse_args()
    if not args.data.exists():
        photograph(args.data)
    if args.prepare:
        return
    torch.set_num_threads(1)
    to_tensor = transforms.Compose([transforms.RandomHorizontalFlip(), transforms.ToTensor()])
    ships = Ships(args.data, to_tensor)
    if args.fix:
        ships.cut = [ships.crop(index) for index in range(len(ships))]
    order = torch.randperm(len(ships), generator=torch.Generator().manual_seed(0)).tolist()
    train_set, valid_set = Subset(ships, order[16:]), Subset(ships, order[:16])
    kinds = [ships.ships[index][3] for index in train_set.indices]
    seen = Counter(kinds)
    sampler = WeightedRandomSampler([1 / seen[kind] for kind in kinds], num_samples=400)
    loader = DataLoader(train_set, batch_size=8, sampler=sampler, num_workers=2, persistent_workers=True)
    valid_loader = DataLoader(valid_set, batch_size=16)
    model = nn.Sequential(nn.Conv2d(3, 16, 5, stride=4), nn.ReLU(), nn.AdaptiveMaxPool2d(3), nn.Flatten())
    model.append(nn.Linear(144, 4))
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
    steps, began = 0, time.perf_counter()
    for _ in range(3):
        for images, labels in loader:
            loss = nn.functional.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            time.sleep(0.012)  # a deeper network, on a device
            optimizer.step()
            steps += 1
    seconds = time.perf_counter() - began
    print(f"accuracy {accuracy(model, valid_loader):.3f}", flush=True)
    print(f"trained {steps} steps in {seconds:.2f} s", flush=True)


if __name__ == "__main__":
    main()
