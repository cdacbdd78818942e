"""Ten metrics of each step, shown as averages over the whole run so far."""

import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, TensorDataset

NAMES = [f"head{number}" for number in range(10)]


class Averages:
    def __init__(self):
        self.seen = {name: [] for name in NAMES}
        self.sums = dict.fromkeys(NAMES, 0.0)

    def add(self, name, value):
        self.seen[name].append(value)
        return sum(self.seen[name]) / len(self.seen[name])  # <- cause

    def add_to_sum(self, name, value, count):
        self.sums[name] += value
        return self.sums[name] / count


def main():
    args = options(__doc__)
    data = TensorDataset(torch.randn(9600, 16), torch.randint(0, 10, (9600,)))
    loader = DataLoader(data, batch_size=8, num_workers=1)
    model, averages = Network(16, device_ms=3), Averages()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for x, y in loader:
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
        value = loss.detach()
        for name in NAMES:
            if args.fix:
                averages.add_to_sum(name, value, steps)
            else:
                averages.add(name, value)
    report(steps, started)


if __name__ == "__main__":
    main()
