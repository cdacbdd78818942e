"""Validation after each epoch that takes a small part of the time."""

import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, TensorDataset


def rows(count):
    return TensorDataset(torch.randn(count, 24), torch.randint(0, 10, (count,)))


def main():
    options(__doc__)
    training, validation = DataLoader(rows(450), batch_size=10, shuffle=True), DataLoader(rows(30), batch_size=10)
    model = Network(24, device_ms=30)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for _epoch in range(4):
        for x, y in training:
            loss = torch.nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
        model.eval()
        with torch.no_grad():
            for x, _y in validation:
                model(x)
        model.train()
    report(steps, started)


if __name__ == "__main__":
    main()
