"""The model is written out in Python: a recurrent cell of its own, one position after the other."""

import math
import time

import torch
from _common import options, report
from torch.utils.data import DataLoader, TensorDataset


class Cell(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weights = torch.nn.Parameter(torch.randn(width, width) / math.sqrt(width))
        self.inputs = torch.nn.Parameter(torch.randn(width, width) / math.sqrt(width))
        self.width = width

    def forward(self, values):
        state = torch.zeros(len(values), self.width)
        for at in range(values.shape[1]):
            mixed = (state @ self.weights + values[:, at] @ self.inputs) / math.sqrt(2)
            state = mixed.clamp(min=-1, max=1)
        return state


def main():
    options(__doc__)
    data = TensorDataset(torch.randn(2000, 40, 128), torch.randn(2000, 128))
    loader = DataLoader(data, batch_size=16, num_workers=1)
    model = Cell(128)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for _ in range(3):
        for x, y in loader:
            loss = (model(x) - y).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
