"""The first batches of a training only set the scales of its input; the steps after them hide the loader."""

import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, TensorDataset


def main():
    options(__doc__)
    data = TensorDataset(torch.randn(4000, 512), torch.arange(4000) % 10)
    loader = DataLoader(data, batch_size=10, shuffle=True, num_workers=1)
    model = Network(512, device_ms=15)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    low, high = torch.full((512,), 9.0), torch.full((512,), -9.0)
    started, steps = time.perf_counter(), 0
    for step, (values, labels) in enumerate(loader):
        if step < 60:
            for _ in range(20):
                low, high = torch.minimum(low, values.amin(0)), torch.maximum(high, values.amax(0))
            time.sleep(0.010)
            continue
        loss = torch.nn.functional.cross_entropy(model((values - low) / (high - low)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
