"""Click prediction: numpy arrays that fit in memory, indexed one row at a time by two workers."""

import time

import numpy as np
import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset


class Clicks(Dataset):
    def __init__(self, rows):
        random = np.random.default_rng(4)
        self.x = random.standard_normal((rows, 26), dtype=np.float32)
        self.y = random.integers(0, 2, rows)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, row):
        return self.x[row], self.y[row]


def slices(clicks, size):
    order = np.random.permutation(len(clicks))
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        yield torch.from_numpy(clicks.x[rows]), torch.from_numpy(clicks.y[rows])


def main():
    args = options(__doc__)
    clicks = Clicks(400_000)
    if args.fix:
        batches = slices(clicks, 4096)
    else:
        batches = DataLoader(clicks, batch_size=4096, shuffle=True, num_workers=2)  # <- cause
    model = Network(26, classes=2, device_ms=5)
    optimizer = torch.optim.Adagrad(model.parameters())
    started, steps = time.perf_counter(), 0
    for x, y in batches:
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
