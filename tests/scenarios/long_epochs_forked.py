"""Forked workers made anew in each epoch, but the epochs are long and the start is a small part of them."""

import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset


class Steps(Dataset):
    def __init__(self):
        self.values = torch.randn(1100, 30)

    def __len__(self):
        return 1000

    def __getitem__(self, index):
        return self.values[index : index + 8].cumsum(0).flatten(), index % 10


def main():
    args = options(__doc__)
    loader = DataLoader(Steps(), batch_size=10, shuffle=True, num_workers=2, persistent_workers=args.fix)
    model = Network(240, device_ms=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for _epoch in range(2):
        for x, y in loader:
            time.sleep(0.045)
            loss = torch.nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
