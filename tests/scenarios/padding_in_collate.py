"""Graphs of different size, padded into dense adjacency matrices by Python loops in the collate function."""

import time

import numpy as np
import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset

SIZE = 40


class Graphs(Dataset):
    def __init__(self, count):
        random = np.random.default_rng(6)
        self.edges = [random.integers(0, random.integers(10, SIZE), (150, 2)) for _ in range(count)]

    def __len__(self):
        return len(self.edges)

    def __getitem__(self, index):
        return self.edges[index], index % 3


def pad_slow(graphs):
    dense = torch.zeros(len(graphs), SIZE, SIZE)
    for number, (edges, _label) in enumerate(graphs):
        for source, target in edges:
            dense[number, int(source), int(target)] += 1  # <- cause
    return dense, torch.tensor([label for _edges, label in graphs])


def pad_fast(graphs):
    dense = np.zeros((len(graphs), SIZE, SIZE), dtype=np.float32)
    for number, (edges, _label) in enumerate(graphs):
        np.add.at(dense[number], (edges[:, 0], edges[:, 1]), 1)
    return torch.from_numpy(dense), torch.tensor([label for _edges, label in graphs])


def main():
    args = options(__doc__)
    loader = DataLoader(
        Graphs(1200), batch_size=12, shuffle=True, num_workers=2, collate_fn=pad_fast if args.fix else pad_slow
    )
    model = Network(SIZE * SIZE, classes=3, device_ms=0)
    optimizer = torch.optim.Adam(model.parameters())
    started, steps = time.perf_counter(), 0
    for dense, labels in loader:
        time.sleep(0.009)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(dense), labels).backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
