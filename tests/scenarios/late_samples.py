"""Some samples come from a slow archive tier; batches that are ready wait behind them, in order."""

import time

import numpy as np
import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset


class Tiers(Dataset):
    """One sample in sixty-four takes two hundred times as long as the others."""

    def __init__(self, length):
        self.length = length
        self.row = np.ones(32, dtype=np.float32)

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        time.sleep(0.400 if index % 64 == 5 else 0.002)  # <- cause
        return torch.from_numpy(self.row * index / self.length), index % 10


def main():
    args = options(__doc__)
    loader = DataLoader(Tiers(640), batch_size=4, shuffle=True, num_workers=4, in_order=not args.fix)
    model = Network(32, device_ms=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for rows, labels in loader:
        time.sleep(0.012)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(rows), labels).backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
