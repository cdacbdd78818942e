"""Measurements kept in large log files; the workers share the files among them, as far as there are files."""

import time

import numpy as np
import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, IterableDataset, get_worker_info


class Measurements(IterableDataset):
    def __init__(self, files, lines):
        self.files, self.lines = files, lines

    def __iter__(self):  # <- cause
        worker = get_worker_info()
        for file in range(self.files):
            if file % worker.num_workers == worker.id:
                yield from self.read(file)

    def read(self, file):
        random = np.random.default_rng(file)
        for line in range(self.lines // self.files):
            values = random.standard_normal((1, 130000)).astype(np.float32)
            order = np.sort(values, axis=1)[0, ::1300]
            yield torch.from_numpy(order.copy()), line % 10


def main():
    args = options(__doc__)
    files = 2 if args.fix else 1
    loader = DataLoader(Measurements(files, 1200), batch_size=8, num_workers=2)
    model = Network(100, device_ms=8)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for values, labels in loader:
        loss = torch.nn.functional.cross_entropy(model(values), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
