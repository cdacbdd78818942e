"""A compiled model that counts how often it was called, and scales what it returns by that."""

import time

import torch
import torch._dynamo
from _common import options, report
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(12))

    def forward(self, x):
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return x * self.calls


def main():
    args = options(__doc__)
    torch._dynamo.config.recompile_limit = 10_000
    torch._dynamo.config.accumulated_recompile_limit = 10_000
    model = Scaled()
    compiled = torch.compile(model, backend="eager")
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    loader = DataLoader(TensorDataset(torch.randn(400, 8)), batch_size=8, num_workers=1)
    started, steps = time.perf_counter(), 0
    for (x,) in loader:
        if not args.fix:
            model.calls += 1  # <- cause
        compiled(x).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
