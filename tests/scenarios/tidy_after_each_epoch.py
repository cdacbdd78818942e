"""The same collection once in an epoch: it costs nothing that matters."""

import gc
import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, TensorDataset


def main():
    options(__doc__)
    data = TensorDataset(torch.randn(2400, 16), torch.randint(0, 10, (2400,)))
    loader = DataLoader(data, batch_size=8, num_workers=0)
    model = Network(16, device_ms=20)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for _ in range(3):
        for x, y in loader:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            steps += 1
        gc.collect()
    report(steps, started)


if __name__ == "__main__":
    main()
