"""Activity recognition: each window of a wearable's sensors lies in a CSV file of its own, read as it is needed."""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

CHANNELS = ["ax", "ay", "az", "gx", "gy", "gz", "mx", "my", "mz", "temp"]


class WindowFiles(Dataset):
    def __init__(self, folder):
        self.index = pd.read_csv(folder / "labels.csv")
        self.names = self.index["file"].tolist()
        self.labels = self.index["activity"].to_numpy()
        self.folder = folder

    def __len__(self):
        return len(self.names)

    def __getitem__(self, item):
        window = pd.read_csv(self.folder / self.names[item])  # <- cause
        values = window[CHANNELS].to_numpy(dtype=np.float32)
        return torch.from_numpy(values), int(self.labels[item])


def simulate(folder, windows=500, length=500):
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(3)
    rows = []
    for k in range(windows):
        activity = k % 6
        walk = generator.normal(scale=0.2 + activity / 6, size=(length, len(CHANNELS))).cumsum(0)
        pd.DataFrame(walk, columns=CHANNELS).to_csv(folder / f"w{k:04d}.csv", index_label="t", float_format="%.6f")
        rows.append({"file": f"w{k:04d}.csv", "activity": activity})
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(len(CHANNELS))
        self.down = nn.AvgPool1d(20)
        self.gru = nn.GRU(len(CHANNELS), 24, batch_first=True)
        self.out = nn.Linear(24, 6)

    def forward(self, x):
        x = self.down(self.norm(x.transpose(1, 2))).transpose(1, 2)
        return self.out(self.gru(x)[0][:, -1])


def main():
    cli = argparse.ArgumentParser()
    cli.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "wearable_sensors")
    cli.add_argument("--prepare", action="store_true", help="make the files and stop")
    options = cli.parse_args()
    if not (options.data / "labels.csv").exists():
        simulate(options.data)
    if options.prepare:
        return
    torch.set_num_threads(1)
    loader = DataLoader(
        WindowFiles(options.data), batch_size=10, shuffle=True, num_workers=2, persistent_workers=True, drop_last=True
    )
    model = Recurrent()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for epoch in range(1, 6):
        running = 0.0
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            running += loss.item()
        print(f"[{epoch}] loss {running / len(loader):.4f}", flush=True)


if __name__ == "__main__":
    main()
