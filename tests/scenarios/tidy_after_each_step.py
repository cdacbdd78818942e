"""A large index of Python objects, and a step that ends by giving back what memory it can."""

import gc
import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, TensorDataset


def tidy():
    gc.collect()  # <- cause


def main():
    args = options(__doc__)
    index = [(number, str(number), [number]) for number in range(100_000)]
    data = TensorDataset(torch.randn(480, 16), torch.randint(0, 10, (480,)))
    loader = DataLoader(data, batch_size=8, num_workers=0)
    model = Network(16, device_ms=20)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for x, y in loader:
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
        if not args.fix:
            tidy()
    report(steps, started)
    assert index


if __name__ == "__main__":
    main()
