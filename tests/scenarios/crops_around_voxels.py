"""The volume is in memory, but each crop searches all of it for where something is."""

import time

import numpy as np
import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset


class Crops(Dataset):
    def __init__(self, keep):
        random = np.random.default_rng(0)
        self.volume = (random.random((112, 112, 112)) > 0.97).astype(np.uint8)
        self.centres = np.argwhere(self.volume > 0) if keep else None

    def __len__(self):
        return 600

    def __getitem__(self, index):
        centres = self.centres
        if centres is None:
            centres = np.argwhere(self.volume > 0)  # <- cause
        z, y, x = np.clip(centres[(index * 7919) % len(centres)], 8, 104)
        crop = self.volume[z - 8 : z + 8, y - 8 : y + 8, x - 8 : x + 8]
        return torch.from_numpy(crop.astype(np.float32)), index % 10


def main():
    args = options(__doc__)
    loader = DataLoader(Crops(args.fix), batch_size=4, num_workers=2)
    model = Network(4096, device_ms=10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for x, y in loader:
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
