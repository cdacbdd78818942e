"""Layers too small to be divided among threads, trained with one: more threads would win nothing."""

import time

import torch
from _common import options, report
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def main():
    options(__doc__)
    torch.set_num_threads(1)
    model = nn.Sequential(*[layer for _ in range(60) for layer in (nn.Linear(24, 24), nn.Tanh())])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    started, steps = time.perf_counter(), 0
    for (x,) in DataLoader(TensorDataset(torch.randn(6400, 24)), batch_size=16, num_workers=0):
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
