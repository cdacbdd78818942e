"""An iterable stream of events, prepared by one worker ahead of a slower device."""

import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, IterableDataset


class Events(IterableDataset):
    def __iter__(self):
        generator = torch.Generator().manual_seed(0)
        for number in range(640):
            event = torch.rand(50, generator=generator)
            yield event.sort().values, number % 10


def main():
    options(__doc__)
    loader = DataLoader(Events(), batch_size=8, num_workers=1)
    model = Network(50, device_ms=0)
    optimizer = torch.optim.Adam(model.parameters())
    started, steps = time.perf_counter(), 0
    for events, labels in loader:
        loss = torch.nn.functional.cross_entropy(model(events), labels)
        time.sleep(0.055)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
