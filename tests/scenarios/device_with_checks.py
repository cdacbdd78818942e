"""The same checks of autograd on a training that waits for its device: they cost next to nothing there."""

import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, TensorDataset


def main():
    options(__doc__)
    torch.autograd.set_detect_anomaly(True)
    data = TensorDataset(torch.randn(1600, 16), torch.randint(0, 10, (1600,)))
    model = Network(16, device_ms=30)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for x, y in DataLoader(data, batch_size=8, num_workers=1):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
