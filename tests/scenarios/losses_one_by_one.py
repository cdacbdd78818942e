"""A training that is a generator of losses, driven by a loop that only adds them up."""

import time

import torch
from _common import Network, options, report


def batches(steps):
    for _ in range(steps):
        yield torch.randn(32, 64)


def losses(steps):
    model = Network(64, device_ms=12)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for x in batches(steps):
        loss = model(x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.item()


def main():
    options(__doc__)
    started, total, steps = time.perf_counter(), 0.0, 0
    for loss in losses(400):
        total += loss
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
