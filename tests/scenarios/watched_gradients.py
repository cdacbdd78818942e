"""Every step asks each parameter to report its gradient, and never takes that back."""

import collections
import time

import torch
from _common import options, report
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

newest = collections.deque(maxlen=1)


def main():
    args = options(__doc__)
    model = nn.Sequential(*[nn.Linear(32, 32) for _ in range(60)])
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    data = TensorDataset(torch.randn(7200, 32))
    loader = DataLoader(data, batch_size=8, num_workers=1)
    started, steps = time.perf_counter(), 0
    for (x,) in loader:
        for parameter in model.parameters():
            if not args.fix or steps == 0:
                parameter.register_hook(newest.append)  # <- cause
        model(x).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
