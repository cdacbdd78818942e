"""A deep stack of small layers, with autograd's checks for NaN switched on once by a function that prepares the run."""

import time

import torch
from _common import options, report
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def prepare(args):
    torch.manual_seed(0)
    if not args.fix:
        torch.autograd.set_detect_anomaly(True)  # <- cause


def main():
    args = options(__doc__)
    prepare(args)
    blocks = [layer for _ in range(80) for layer in (nn.Linear(48, 48), nn.Tanh())]
    model = nn.Sequential(*blocks, nn.Linear(48, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    data = TensorDataset(torch.randn(1600, 48), torch.randint(0, 10, (1600,)))
    loader = DataLoader(data, batch_size=8, num_workers=1)
    started, steps = time.perf_counter(), 0
    for x, y in loader:
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
