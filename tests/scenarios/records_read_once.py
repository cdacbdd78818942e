"""Records are read in their order, from a store that keeps the newest of them in memory: the first ones are there already."""

import collections
import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset


class Kept:
    """Keep so many records; the others take their time."""

    def __init__(self, room, warm):
        self.room = room
        self.records = collections.OrderedDict((key, torch.full((8,), key / 4000)) for key in range(warm))

    def get(self, key):
        if key in self.records:
            self.records.move_to_end(key)
            return self.records[key]
        time.sleep(0.008)  # <- cause
        self.records[key] = torch.full((8,), key / 4000)
        if len(self.records) > self.room:
            self.records.popitem(last=False)
        return self.records[key]


class Records(Dataset):
    def __init__(self, count, store):
        self.count, self.store = count, store

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return self.store.get(index), index % 10


def main():
    args = options(__doc__)
    store = Kept(2000, 3000 if args.fix else 1600)
    loader = DataLoader(Records(3000, store), batch_size=8)
    model = Network(8, device_ms=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for x, y in loader:
        time.sleep(0.005)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
