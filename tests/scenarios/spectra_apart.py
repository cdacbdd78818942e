"""Spectra computed by two workers, each of which keeps to a core of its own."""

import os
import time

import torch
from _common import Network, options, report
from spectra_set_up import Spectra
from torch.utils.data import DataLoader


def keep_apart(worker):
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[worker % len(cores)]})


def main():
    options(__doc__)
    loader = DataLoader(Spectra(1200), batch_size=8, num_workers=2, worker_init_fn=keep_apart)
    model = Network(64, device_ms=40)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for power, labels in loader:
        loss = torch.nn.functional.cross_entropy(model(power), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
