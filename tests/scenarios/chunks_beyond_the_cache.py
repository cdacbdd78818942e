"""Chunks that are quick to read while they are in a cache of limited size, which held the first part of the data."""

import collections
import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset

CHUNKS, ROOM = 4000, 3000


class Chunks(Dataset):
    def __init__(self, room):
        self.room = room
        self.cache = collections.OrderedDict((number, None) for number in range(min(room, CHUNKS)))

    def __len__(self):
        return CHUNKS

    def __getitem__(self, index):
        if index in self.cache:
            self.cache.move_to_end(index)
        else:
            self.read(index)
        return torch.full((16,), float(index)), index % 10

    def read(self, index):
        time.sleep(0.004)  # <- cause
        self.cache[index] = None
        while len(self.cache) > self.room:
            self.cache.popitem(last=False)


def main():
    args = options(__doc__)
    loader = DataLoader(Chunks(CHUNKS if args.fix else ROOM), batch_size=8, num_workers=0)
    model = Network(16, device_ms=8)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for x, y in loader:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
