"""Sixteen workers for features that one could make: they wait, and starting them takes most of an epoch."""

import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset


class Features(Dataset):
    def __init__(self, rows):
        self.rows = torch.randn(rows, 100)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return self.rows[index], index % 10


def main():
    args = options(__doc__)
    workers = 1 if args.fix else 16
    loader = DataLoader(Features(1800), batch_size=30, shuffle=True, num_workers=workers)  # <- cause
    model = Network(100, device_ms=20)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    started, steps = time.perf_counter(), 0
    for _epoch in range(2):
        for rows, labels in loader:
            loss = torch.nn.functional.cross_entropy(model(rows), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
