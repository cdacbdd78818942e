"""Weight histograms for a dashboard are computed after each step."""

import time

import numpy as np
import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, TensorDataset


def histograms(model, history):
    for name, parameter in model.named_parameters():
        values = parameter.detach().numpy().ravel()
        for _ in range(3):
            history[name] = np.histogram(np.resize(values, 60_000), bins=512)  # <- cause


def main():
    args = options(__doc__)
    data = TensorDataset(torch.randn(1200, 64), torch.randint(0, 10, (1200,)))
    loader = DataLoader(data, batch_size=10, shuffle=True, num_workers=1)
    model = Network(64, device_ms=15)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    history = {}
    started, steps = time.perf_counter(), 0
    for x, y in loader:
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if not args.fix or steps % 40 == 0:
            histograms(model, history)
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
