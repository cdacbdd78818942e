"""Five large batches an epoch for sixteen workers: few can work at all, and then they all finish at once."""

import time

import numpy as np
import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset

ROW_MS = 0.7


class Tomograms(Dataset):
    """Particles read from a store that answers in some milliseconds."""

    def __len__(self):
        return 160

    def __getitem__(self, index):
        time.sleep(0.008)
        return torch.from_numpy(np.full((16, 16), index / 160, dtype=np.float32)), index % 10


def main():
    args = options(__doc__)
    size = 4 if args.fix else 64
    loader = DataLoader(Tomograms(), batch_size=size, num_workers=6, persistent_workers=True)  # <- cause
    model = Network(256, device_ms=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01 * size)
    started, steps = time.perf_counter(), 0
    for _ in range(12):
        for particles, labels in loader:
            time.sleep(ROW_MS / 1000 * len(particles))
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(particles), labels).backward()
            optimizer.step()
            steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
