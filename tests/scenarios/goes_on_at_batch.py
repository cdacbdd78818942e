"""A training that goes on where an earlier one was stopped, in the middle of its epoch."""

import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset


class Curves(Dataset):
    """Curves of many terms, summed up when they are read."""

    def __init__(self, count):
        self.count = count
        self.grid = torch.linspace(0, 6.28, 512)

    def __len__(self):
        return self.count

    def __getitem__(self, number):
        curve = torch.zeros(512)
        for term in range(1, 60):
            curve += torch.sin(self.grid * term + number) / term
        return curve, number % 10


def main():
    args = options(__doc__)
    batch_size, done, total = 8, 300, 420
    left = list(range(batch_size * done if args.fix else 0, batch_size * total))
    loader = DataLoader(Curves(batch_size * total), batch_size, sampler=left, num_workers=2)
    model = Network(512, device_ms=20)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for step, (curves, labels) in enumerate(loader):  # <- cause
        if step < done and not args.fix:  # <- cause
            continue  # <- cause
        loss = torch.nn.functional.cross_entropy(model(curves), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
