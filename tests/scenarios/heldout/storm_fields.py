"""Storms in weather fields: each year is a compressed archive, which is opened once, and read again for each sample.

The report behind it: https://github.com/MIC-DKFZ/nnUNet/issues/566, where cases are unpacked to .npy before training,
because from an .npz nothing less than a whole array can be read; https://github.com/pynapple-org/pynapple/pull/313.
"""

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

YEARS, HOURS, HISTORY = range(2001, 2009), 96, 4
VARIABLES, ROWS, COLUMNS = ("pressure", "humidity", "wind_u", "wind_v"), 32, 48


def simulate(folder):
    """Write one archive a year, packed to 16 bits as weather services do, and an index of the hours in all of them."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(211)
    index = []
    row, column = np.mgrid[:ROWS, :COLUMNS]
    for year in YEARS:
        fields = np.empty((HOURS, len(VARIABLES), ROWS, COLUMNS), np.int16)
        storms = rng.random(HOURS) < 0.5
        for hour in range(HOURS):
            coarse = rng.normal(0, 1, (len(VARIABLES), ROWS // 8, COLUMNS // 8))
            field = coarse.repeat(8, 1).repeat(8, 2) + rng.normal(0, 0.05, (len(VARIABLES), ROWS, COLUMNS))
            if storms[hour]:
                middle = rng.uniform(8, 24), rng.uniform(8, 40)
                field[0] -= 3 * np.exp(-((row - middle[0]) ** 2 + (column - middle[1]) ** 2) / 30)
            fields[hour] = (field * 300).round()
        means, scales = fields.mean((0, 2, 3)), fields.std((0, 2, 3))
        np.savez_compressed(folder / f"era_{year}.npz", fields=fields, means=means, scales=scales, storms=storms)
        index += [[year, hour] for hour in range(HISTORY - 1, HOURS)]
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")


@dataclass(frozen=True)
class Store:
    """Where the archives lie. Workers do not share an open file: each process opens its own, once."""

    folder: Path
    unpack: bool = False

    @cache  # noqa: B019
    def year(self, year):
        archive = np.load(self.folder / f"era_{year}.npz")
        return {name: archive[name] for name in archive.files} if self.unpack else archive


class StormHours(Dataset):
    """The last hours, and whether there is a storm in the last of them."""

    def __init__(self, store):
        self.store = store
        self.index = json.loads((store.folder / "index.json").read_text(encoding="utf-8"))

    def __len__(self):
        return len(self.index)

    def __getitem__(self, item):
        year, hour = self.index[item]
        archive = self.store.year(year)
        history = archive["fields"][hour + 1 - HISTORY : hour + 1]  # <- cause
        means, scales = archive["means"], archive["scales"]
        history = (history - means[:, None, None]) / scales[:, None, None]
        if np.random.random() < 0.5:
            history = history[..., ::-1]
        return {
            "history": torch.from_numpy(history.reshape(-1, ROWS, COLUMNS).astype(np.float32)),
            "storm": float(archive["storms"][hour]),
        }


class StormNet(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(HISTORY * len(VARIABLES), width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveMaxPool2d(1),
        )
        self.head = nn.Linear(2 * width, 1)

    def forward(self, history):
        return self.head(self.body(history).flatten(1)).squeeze(1)


def train(model, loader, epochs, rate=1e-3):
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    steps, began = 0, time.perf_counter()
    for epoch in range(epochs):
        losses = torch.zeros(())
        for batch in loader:
            logits = model(batch["history"])
            loss = nn.functional.binary_cross_entropy_with_logits(logits, batch["storm"].float())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            losses += loss.detach()
            steps += 1
        print(f"epoch {epoch}: loss {losses.item() / len(loader):.4f}", flush=True)
    print(f"trained {steps} steps in {time.perf_counter() - began:.2f} s", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "storm_fields")
    parser.add_argument("--prepare", action="store_true", help="simulate the years and stop")
    parser.add_argument("--fix", action="store_true", help="each process unpacks a year once")
    args = parser.parse_args()
    if not args.data.exists():
        simulate(args.data)
    if args.prepare:
        return
    torch.set_num_threads(1)
    torch.manual_seed(223)
    dataset = StormHours(Store(args.data, unpack=args.fix))
    loader = DataLoader(dataset, batch_size=16, shuffle=True, num_workers=2, persistent_workers=True)
    train(StormNet(), loader, epochs=5)


if __name__ == "__main__":
    main()
