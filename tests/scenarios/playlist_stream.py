"""Listening sessions from a reader that two epochs share; one worker keeps it open."""

import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, IterableDataset


class Sessions(IterableDataset):
    def __init__(self, count, again):
        self.count, self.again, self.reader = count, again, None

    def read(self):
        while True:
            for number in range(self.count):
                yield torch.rand(32, generator=torch.Generator().manual_seed(number)), number % 10

    def __iter__(self):  # <- cause
        if self.again or self.reader is None:
            self.reader = self.read()
        generator, left = self.reader, self.count
        if not self.again:
            left = torch.randint(self.count // 2, self.count, ()).item()
        for _ in range(left):
            yield next(generator)


def main():
    args = options(__doc__)
    loader = DataLoader(Sessions(400, args.fix), batch_size=8, num_workers=1, persistent_workers=True)
    model = Network(32, device_ms=24)
    optimizer = torch.optim.Adam(model.parameters())
    started, steps = time.perf_counter(), 0
    for _epoch in range(5):
        for sessions, labels in loader:
            loss = torch.nn.functional.cross_entropy(model(sessions), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
