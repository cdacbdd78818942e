"""Spectra are jittered in the dataset, one after the other; the fix jitters a batch on the device, which takes it longer."""

import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset


def shifted(values, milliseconds):
    end = time.thread_time() + milliseconds / 1000
    while time.thread_time() < end:
        pass
    return values


class Jitter:
    def __call__(self, values):  # <- cause
        return shifted(values, 20)  # <- cause


class Spectra(Dataset):
    def __init__(self, transform):
        self.transform = transform

    def __len__(self):
        return 800

    def __getitem__(self, index):
        values = torch.full((24,), index / 800)
        return (self.transform(values) if self.transform else values), index % 10


def main():
    args = options(__doc__)
    loader = DataLoader(Spectra(None if args.fix else Jitter()), batch_size=4, num_workers=2)
    model = Network(24, device_ms=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for x, y in loader:
        time.sleep(0.034 if args.fix else 0.030)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
