"""Paws in pictures of animals: the error of every point is kept in learning_stats.csv, which is always up to date."""

import argparse
import csv
import tempfile
import time
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

SIDE, POINTS = 32, 18


class Pictures(Dataset):
    """Blobs on noise, and where they are."""

    def __init__(self, count, seed):
        generator = torch.Generator().manual_seed(seed)
        self.places = torch.rand(count, POINTS, 2, generator=generator)
        self.noise = torch.rand(count, 1, SIDE, SIDE, generator=generator) * 0.3

    def __len__(self):
        return len(self.places)

    def __getitem__(self, index):
        picture = self.noise[index].clone()
        at = (self.places[index] * (SIDE - 1)).long()
        picture[0, at[:, 0], at[:, 1]] += 1.0
        return picture, self.places[index]


class Tracker(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(1),
        )
        self.head = nn.Linear(width * (SIDE // 4) ** 2, 2 * POINTS)

    def forward(self, pictures):
        return self.head(self.body(pictures)).view(-1, POINTS, 2)


class CSVLogger:
    """Keep what is logged, one row a step, in a file that other programs can read at any time."""

    def __init__(self, path, append):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.append = append
        self.rows = []
        path.unlink(missing_ok=True)

    def log(self, step, metrics):
        self.rows.append({"step": step, **metrics})
        self.save()  # <- cause

    def save(self):
        if self.append and self.path.exists():
            with open(self.path, "a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, self.rows[-1].keys()).writerow(self.rows[-1])
            return
        keys = {key: None for row in self.rows for key in row}  # <- cause
        with open(self.path, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, keys)
            writer.writeheader()
            writer.writerows(self.rows)  # <- cause


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "paw_tracker")
    parser.add_argument("--prepare", action="store_true", help="nothing to prepare")
    parser.add_argument("--fix", action="store_true", help="append to the file")
    args = parser.parse_args()
    if args.prepare:
        return
    torch.set_num_threads(1)
    torch.manual_seed(113)
    loader = DataLoader(Pictures(1600, 127), batch_size=16, shuffle=True, num_workers=1, persistent_workers=True)
    model = Tracker()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    logger = CSVLogger(args.data / "learning_stats.csv", append=args.fix)
    steps, began = 0, time.perf_counter()
    for epoch in range(5):
        for pictures, places in loader:
            found = model(pictures)
            loss = nn.functional.smooth_l1_loss(found, places)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            errors = (found.detach() - places).norm(dim=2).mean(0).tolist()
            metrics = {"loss": loss.item(), "epoch": epoch, "lr": optimizer.param_groups[0]["lr"]}
            metrics |= {f"point{number}": error for number, error in enumerate(errors)}
            logger.log(steps, metrics)
            steps += 1
        print(f"epoch {epoch}: loss {loss.item():.4f}", flush=True)
    print(f"trained {steps} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
