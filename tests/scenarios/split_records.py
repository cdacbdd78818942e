"""A stream of flags that are mostly zero, of which each worker takes every second one."""

import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, IterableDataset, get_worker_info


class Flags(IterableDataset):
    def __iter__(self):
        worker = get_worker_info()
        for _number in range(worker.id, 640, worker.num_workers):
            yield torch.zeros(50), 0


def main():
    options(__doc__)
    loader = DataLoader(Flags(), batch_size=8, num_workers=2, persistent_workers=True)
    model = Network(50, device_ms=25)
    optimizer = torch.optim.Adam(model.parameters())
    started, steps = time.perf_counter(), 0
    for _epoch in range(2):
        for flags, labels in loader:
            loss = torch.nn.functional.cross_entropy(model(flags), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
