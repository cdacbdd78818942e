"""A compiled model whose batches have two shapes: it is compiled for both in the first steps, and never again."""

import time

import torch
from _common import options, report
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Lengths(Dataset):
    def __len__(self):
        return 300

    def __getitem__(self, index):
        return torch.ones(48 if index % 2 else 32, 64)


def main():
    options(__doc__)
    model = nn.Sequential(*[layer for _ in range(6) for layer in (nn.Linear(64, 64), nn.Tanh())])
    compiled = torch.compile(model, backend="eager")
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    started, steps = time.perf_counter(), 0
    for x in DataLoader(Lengths(), batch_size=None, num_workers=1):
        for _ in range(8):
            compiled(x).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
