"""A wide network updated by Adam on the CPU, in a process that was set to one thread, beside idle cores."""

import time

import torch
from _common import options, report
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def main():
    args = options(__doc__)
    torch.set_num_threads(2 if args.fix else 1)  # <- cause
    model = nn.Sequential(nn.Linear(1024, 9000), nn.ReLU(), nn.Linear(9000, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    data = TensorDataset(torch.randn(720, 1024), torch.randint(0, 10, (720,)))
    started, steps = time.perf_counter(), 0
    for features, y in DataLoader(data, batch_size=4, num_workers=0):
        loss = nn.functional.cross_entropy(model(features), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
