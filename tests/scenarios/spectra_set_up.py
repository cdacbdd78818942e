"""Spectra computed by two workers; each of them is set up by a function that came with the project."""

import os
import time

import numpy as np
import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset


class Spectra(Dataset):
    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        signal = np.random.default_rng(index).standard_normal(24000)
        power = np.abs(np.fft.rfft(signal))[:4096].reshape(64, 64).mean(axis=1)
        return torch.from_numpy(power).float(), index % 10


def set_up(worker):
    np.random.seed(worker)
    if "SET_UP_ALL" not in os.environ:
        os.sched_setaffinity(0, {0})  # <- cause


def main():
    args = options(__doc__)
    if args.fix:
        os.environ["SET_UP_ALL"] = "1"
    loader = DataLoader(Spectra(2400), batch_size=8, num_workers=2, worker_init_fn=set_up)
    model = Network(64, device_ms=3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for power, labels in loader:
        loss = torch.nn.functional.cross_entropy(model(power), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
