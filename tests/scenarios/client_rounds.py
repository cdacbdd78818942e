"""Rounds over the clients of a federation: between two of them the loader is put back to its first state."""

import time

import numpy as np
import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset


class Records(Dataset):
    """One client's records; each process that reads them opens its own index first."""

    def __init__(self, length):
        self.length, self.index = length, None

    def __len__(self):
        return self.length

    def __getitem__(self, number):
        if self.index is None:
            self.index = np.sort(np.random.default_rng(11).standard_normal((4000, 200)), axis=0)
        return torch.from_numpy(self.index[number]).float(), number % 10


class Client:
    def __init__(self, keep):
        self.keep = keep
        self.loader = DataLoader(Records(120), batch_size=10, shuffle=True, num_workers=2, persistent_workers=True)

    def batches(self):
        return self.loader

    def end_round(self):
        if not self.keep:
            self.loader._iterator = None  # <- cause


def main():
    args = options(__doc__)
    client = Client(keep=args.fix)
    model = Network(200, device_ms=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for _round in range(16):
        for rows, labels in client.batches():
            time.sleep(0.010)
            loss = torch.nn.functional.cross_entropy(model(rows), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
        client.end_round()
    report(steps, started)


if __name__ == "__main__":
    main()
