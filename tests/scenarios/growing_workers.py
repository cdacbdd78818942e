"""Two million Python strings in the dataset: reading them dirties pages that the workers shared with the trainer."""

import time

import numpy as np
import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset

COUNT = 1_500_000


class Captions(Dataset):
    def __init__(self, as_array):
        names = [f"caption number {number} of a long list" for number in range(COUNT)]
        self.captions = np.array(names, dtype=np.bytes_) if as_array else names  # <- cause

    def __len__(self):
        return 220 * 128

    def __getitem__(self, index):
        length = 0
        for offset in range(60):
            length += len(self.captions[(index * 7919 + offset * 25_013) % COUNT])
        return torch.full((16,), length / 3000), index % 10


def main():
    args = options(__doc__)
    loader = DataLoader(Captions(args.fix), batch_size=128, shuffle=True, num_workers=2)
    model = Network(16, device_ms=30)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for values, labels in loader:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(values), labels).backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
