"""A trace of past gradients that decays towards zero: at some step its numbers become denormal."""

import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, TensorDataset


def main():
    args = options(__doc__)
    torch.set_flush_denormal(args.fix)
    trace = torch.ones(2_000_000)
    data = TensorDataset(torch.randn(4800, 16), torch.randint(0, 10, (4800,)))
    loader = DataLoader(data, batch_size=8, num_workers=1)
    model = Network(16, device_ms=2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for x, y in loader:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        trace.mul_(0.75).clamp_(min=1e-42)  # <- cause
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
