"""A thread of the training looks for a new configuration now and then; it sleeps between its turns, and multiplies
matrices in a library that gives the interpreter back."""

import threading
import time

import numpy as np
import torch
from _common import options, report
from torch.utils.data import DataLoader, TensorDataset


def watch(path, seen):
    while True:
        seen.append(path.exists())
        del seen[:-10]
        time.sleep(0.01)


def solve(size, pause_s):
    values = np.random.default_rng(0).standard_normal((size, size))
    while True:
        np.linalg.norm(values @ values)
        time.sleep(pause_s)


def main():
    args = options(__doc__)
    data = TensorDataset(torch.randn(16000, 128), torch.randn(16000, 128))
    loader = DataLoader(data, batch_size=32, num_workers=1)
    model = torch.nn.Sequential(*[torch.nn.Linear(128, 128) for _ in range(48)])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    threading.Thread(target=watch, args=(args.data, []), daemon=True).start()
    threading.Thread(target=solve, args=(500, 0.03), daemon=True).start()
    started, steps = time.perf_counter(), 0
    for x, y in loader:
        loss = (model(x) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
