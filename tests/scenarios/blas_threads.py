"""Whitening by a matrix product in numpy: each worker's BLAS uses as many threads as there are cores, or more."""

import os
import sys

if "--fix" in sys.argv:
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
else:
    os.environ["OPENBLAS_NUM_THREADS"] = str(4 * (os.cpu_count() or 1))

import time

import numpy as np
import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset


class Whitened(Dataset):
    def __init__(self, length, size=256):
        random = np.random.default_rng(10)
        self.length = length
        self.sample = random.standard_normal((size, size)).astype(np.float32)
        self.matrix = random.standard_normal((size, size)).astype(np.float32) / size**0.5

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        value = self.sample
        for _ in range(4):
            value = value @ self.matrix
        return torch.from_numpy(value[:8].copy()), index % 10


def main():
    options(__doc__)
    torch.set_num_threads(1)
    loader = DataLoader(Whitened(1280), batch_size=16, num_workers=2)
    model = Network(8 * 256, device_ms=8)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for values, labels in loader:
        loss = torch.nn.functional.cross_entropy(model(values), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
