"""Tiles of a map, of which the dataset counts how often each was wanted, by workers that start again with each epoch."""

import time

import numpy as np
import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset


class Tiles(Dataset):
    def __init__(self):
        self.wanted = {}

    def __len__(self):
        return 960

    def __getitem__(self, index):
        self.wanted[index] = self.wanted.get(index, 0) + 1
        heights = np.random.default_rng(index).standard_normal((12, 12))
        return torch.from_numpy(heights).float(), index % 10


def main():
    options(__doc__)
    loader = DataLoader(Tiles(), batch_size=8, num_workers=2)
    model = Network(144, device_ms=30)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for _epoch in range(2):
        for tiles, labels in loader:
            loss = torch.nn.functional.cross_entropy(model(tiles), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
