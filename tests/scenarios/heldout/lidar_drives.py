"""Road users in lidar sweeps: an iterable data set unpickles whole gzipped sweeps and keeps 1024 points of each."""

import argparse
import gzip
import pickle
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

CLASSES = 5


def record_drives(folder, drives=4, sweeps=16, points=48000):
    rng = np.random.default_rng(5)
    for drive in range(drives):
        (folder / f"drive_{drive:02d}").mkdir(parents=True)
        for number in range(sweeps):
            cloud = rng.normal(0, (20, 20, 1.5, 0.3), (points, 4)).round(2).astype(np.float32)
            sweep = {"points": cloud, "label": (drive * sweeps + number) % CLASSES, "stamp": number * 0.1}
            with gzip.open(folder / f"drive_{drive:02d}" / f"{number:06d}.pkl.gz", "wb", compresslevel=1) as file:
                pickle.dump(sweep, file)


class Sweeps(IterableDataset):
    def __init__(self, folder, limit, ready=None):
        self.paths = sorted(folder.glob("drive_*/*.pkl.gz"))
        self.limit = limit
        self.ready = ready

    def read(self, path):
        if self.ready is not None:
            return self.ready[path]
        with gzip.open(path, "rb") as file:  # <- cause
            return pickle.load(file)  # <- cause

    def __iter__(self):
        worker = get_worker_info()
        rng = np.random.default_rng(worker.seed % 2**32)
        for _ in range(0, self.limit, worker.num_workers):
            sweep = self.read(self.paths[rng.integers(len(self.paths))])  # <- cause
            cloud = sweep["points"]
            cloud = cloud[rng.integers(len(cloud), size=1024)]
            turn = rng.uniform(0, 2 * np.pi)
            spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]], dtype=np.float32)
            cloud[:, :2] = cloud[:, :1] * spin[0] + cloud[:, 1:2] * spin[1]
            yield torch.from_numpy(cloud.T.copy()), sweep["label"]


class PointNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.points = nn.Sequential(nn.Conv1d(4, 24, 1), nn.BatchNorm1d(24), nn.ReLU(), nn.Conv1d(24, 64, 1))
        self.head = nn.Linear(64, CLASSES)

    def forward(self, clouds):
        return self.head(self.points(clouds).amax(2))


class Trainer:
    def __init__(self, model, loader):
        self.model, self.loader = model, loader
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        self.steps = 0

    def train_step(self, clouds, labels):
        loss = nn.functional.cross_entropy(self.model(clouds), labels)
        self.optimizer.zero_grad()
        loss.backward()
        time.sleep(0.008)  # the wider layers, on a device
        self.optimizer.step()
        self.steps += 1
        return loss

    def fit(self):
        self.model.train()
        for clouds, labels in self.loader:
            loss = self.train_step(clouds, labels)
            if self.steps % 50 == 0:
                print(f"step {self.steps}: loss {loss.item():.4f}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "lidar_drives")
    parser.add_argument("--prepare", action="store_true", help="record the drives and stop")
    parser.add_argument("--fix", action="store_true", help="unpickle every sweep once, before the training")
    args = parser.parse_args()
    if not args.data.exists():
        record_drives(args.data)
    if args.prepare:
        return
    torch.set_num_threads(1)
    dataset = Sweeps(args.data, limit=3600)
    if args.fix:
        dataset.ready = {path: dataset.read(path) for path in dataset.paths}
    trainer = Trainer(PointNet(), DataLoader(dataset, batch_size=8, num_workers=2))
    began = time.perf_counter()
    trainer.fit()
    print(f"trained {trainer.steps} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
