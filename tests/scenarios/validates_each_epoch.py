"""A short epoch, and after each of them a validation that is longer than the epoch."""

import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, TensorDataset


def rows(count):
    return TensorDataset(torch.randn(count, 24), torch.randint(0, 10, (count,)))


@torch.no_grad()
def validate(model, loader):
    model.eval()
    right = sum((model(x).argmax(1) == y).sum().item() for x, y in loader)  # <- cause
    model.train()
    return right / len(loader.dataset)


def main():
    args = options(__doc__)
    training = DataLoader(rows(300), batch_size=10, shuffle=True)
    validation = DataLoader(rows(1200), batch_size=10)
    model = Network(24, device_ms=15)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for epoch in range(6):
        for x, y in training:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            steps += 1
        if not args.fix or epoch == 5:
            validate(model, validation)
    report(steps, started)


if __name__ == "__main__":
    main()
