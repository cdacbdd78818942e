"""Visitor records from a generator, prepared by two workers ahead of the device, for three epochs."""

import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, IterableDataset, get_worker_info


class Records(IterableDataset):
    def __init__(self, count, split):
        self.count, self.split = count, split

    def __iter__(self):  # <- cause
        worker = get_worker_info() if self.split else None
        numbers = range(self.count)
        if worker is not None:
            numbers = numbers[worker.id :: worker.num_workers]
        generator = torch.Generator()
        for number in numbers:
            generator.manual_seed(number)
            yield torch.rand(64, generator=generator), number % 10


def main():
    args = options(__doc__)
    loader = DataLoader(Records(400, args.fix), batch_size=8, num_workers=2, persistent_workers=True)
    model = Network(64, device_ms=20)
    optimizer = torch.optim.Adam(model.parameters())
    started, steps = time.perf_counter(), 0
    for _epoch in range(3):
        for records, labels in loader:
            loss = torch.nn.functional.cross_entropy(model(records), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
