"""Spawned workers (the default on other systems) import everything again in each epoch."""

import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset


class Windows(Dataset):
    def __init__(self, series, width):
        self.series, self.width = series, width

    def __len__(self):
        return 200

    def __getitem__(self, start):
        return self.series[start : start + self.width], start % 10


def main():
    args = options(__doc__)
    loader = DataLoader(  # <- cause
        Windows(torch.randn(1000), 64),
        batch_size=10,
        num_workers=2,
        multiprocessing_context="spawn",
        persistent_workers=args.fix,
    )
    model = Network(64, device_ms=15)
    optimizer = torch.optim.Adam(model.parameters())
    started, steps = time.perf_counter(), 0
    for _epoch in range(4):
        for windows, labels in loader:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(windows), labels).backward()
            optimizer.step()
            steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
