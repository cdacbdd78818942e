"""Few batches per epoch, many epochs, and workers that are forked again for each of them."""

import time

import numpy as np
import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset


class FewShot(Dataset):
    """A small task set; each worker opens its own table first, as many readers do."""

    def __init__(self, length):
        self.length, self.table = length, None

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        if self.table is None:
            self.table = np.sort(np.random.default_rng(9).standard_normal((1200, 200)), axis=0)
        return torch.from_numpy(self.table[index]).float(), index % 10


def main():
    args = options(__doc__)
    keep = args.fix
    loader = DataLoader(FewShot(60), batch_size=10, shuffle=True, num_workers=2, persistent_workers=keep)  # <- cause
    model = Network(200, device_ms=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for _epoch in range(24):
        for rows, labels in loader:
            time.sleep(0.010)
            loss = torch.nn.functional.cross_entropy(model(rows), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
