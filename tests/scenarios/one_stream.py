"""One worker reads a stream that it does not share: a second one would hand over the same lines again."""

import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, IterableDataset


class Lines(IterableDataset):
    def __init__(self, count):
        self.count = count

    def parse(self, number):
        total = 0
        for step in range(30_000):  # <- cause
            total = (total * 31 + number + step) % 9973  # <- cause
        return torch.full((12,), total / 9973)

    def __iter__(self):
        for number in range(self.count):
            yield self.parse(number), number % 10


def main():
    args = options(__doc__)
    lines = Lines(3000)
    if args.fix:
        lines.parse = lambda number: torch.full((12,), number / 3000)
    loader = DataLoader(lines, batch_size=8, num_workers=1)
    model = Network(12, device_ms=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for x, y in loader:
        time.sleep(0.006)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
