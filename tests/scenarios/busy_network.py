"""A network that really computes on the processor, fed from tensors in memory without workers."""

import time

import torch
from _common import options, report
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def main():
    options(__doc__)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    data = TensorDataset(torch.randn(1280, 3, 32, 32), torch.randint(0, 10, (1280,)))
    loader = DataLoader(data, batch_size=16, shuffle=True)
    model = nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1, stride=2),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, padding=1, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64 * 64, 10),
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    started, steps = time.perf_counter(), 0
    for images, labels in loader:
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
