"""Heartbeats in long ECGs: four workers read one HDF5 file, and a lock that they share lets one of them read."""

import argparse
import contextlib
import multiprocessing
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

LEADS, SAMPLES = 12, 16000
READ_LOCK = multiprocessing.Lock()  # h5py must not be used by two at a time


def record(path, patients=64):
    path.parent.mkdir(parents=True)
    rng = np.random.default_rng(71)
    beat = np.sin(np.arange(SAMPLES) / 40.0) ** 15
    with h5py.File(path, "w") as file:
        shape = (patients, LEADS, SAMPLES)
        signals = file.create_dataset("signals", shape, np.float32, chunks=(1, *shape[1:]), compression="gzip")
        for patient in range(patients):
            gains = rng.uniform(0.3, 1, (LEADS, 1))
            signals[patient] = (gains * beat + rng.normal(0, 0.05, shape[1:])).round(3)
        file["rhythm"] = rng.integers(0, 3, patients)


class Holter(Dataset):
    def __init__(self, path, repeats=10, lock=READ_LOCK):
        self.path, self.repeats, self.lock = path, repeats, lock
        self.file = None
        with h5py.File(path) as file:
            self.rhythm = file["rhythm"][:]

    def __len__(self):
        return len(self.rhythm) * self.repeats

    def __getitem__(self, index):
        patient = index // self.repeats
        if self.file is None:
            self.file = h5py.File(self.path)
        with self.lock:  # <- cause
            signal = self.file["signals"][patient]  # <- cause
        signal = signal.reshape(LEADS, -1, 8).mean(2) * np.random.uniform(0.9, 1.1)  # 500 Hz to 62.5 Hz
        signal = (signal - signal.mean(1, keepdims=True)) / (signal.std(1, keepdims=True) + 1e-6)
        return torch.from_numpy(signal).float(), int(self.rhythm[patient])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "holter_nights")
    parser.add_argument("--prepare", action="store_true", help="record the patients and stop")
    parser.add_argument("--fix", action="store_true", help="no lock: each worker has opened the file for itself")
    args = parser.parse_args()
    path = args.data / "holter.h5"
    if not path.exists():
        record(path)
    if args.prepare:
        return
    torch.set_num_threads(1)
    dataset = Holter(path, lock=contextlib.nullcontext() if args.fix else READ_LOCK)
    loader = DataLoader(dataset, batch_size=8, shuffle=True, num_workers=4, persistent_workers=True)
    model = nn.Sequential(nn.Conv1d(LEADS, 24, 15, stride=8), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten())
    model.append(nn.Linear(24, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    steps, began = 0, time.perf_counter()
    for epoch in range(6):
        total = torch.zeros(())
        for signals, rhythm in loader:
            loss = nn.functional.cross_entropy(model(signals), rhythm)
            optimizer.zero_grad()
            loss.backward()
            time.sleep(0.006)  # a deeper network, on a device
            optimizer.step()
            total += loss.detach()
            steps += 1
        print(f"epoch {epoch}: loss {total.item() / len(loader):.4f}", flush=True)
    print(f"trained {steps} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
