"""A checkpoint is written, and forced to the disk, every ten steps while training stands still."""

import os
import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, TensorDataset


def save(path, model, ballast):
    with open(path, "wb") as file:
        torch.save({"model": model.state_dict(), "moments": ballast}, file)  # <- cause
        os.fsync(file.fileno())  # <- cause


def main():
    args = options(__doc__)
    args.data.mkdir(parents=True, exist_ok=True)
    data = TensorDataset(torch.randn(1600, 32), torch.randint(0, 10, (1600,)))
    loader = DataLoader(data, batch_size=16, num_workers=1)
    model = Network(32, device_ms=20)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    ballast = torch.randn(40_000_000)
    every = 100 if args.fix else 10
    started, steps = time.perf_counter(), 0
    for x, y in loader:
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
        if steps % every == 0:
            save(args.data / "last.pt", model, ballast)
    report(steps, started)


if __name__ == "__main__":
    main()
