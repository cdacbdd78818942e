"""The loss assigns predictions to targets on the host, one image after the other, before the backward pass."""

import time

import numpy as np
import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, TensorDataset


def assign(costs):
    """Take the cheapest pairs one after the other."""
    costs, pairs = costs.copy(), []
    for _ in range(costs.shape[1]):
        row, column = np.unravel_index(np.argmin(costs), costs.shape)  # <- cause
        pairs.append((int(row), int(column)))
        costs[row, :] = np.inf
        costs[:, column] = np.inf
    return pairs


def assign_all(costs):
    """Take for each target its cheapest prediction."""
    return list(zip(costs.argmin(0).tolist(), range(costs.shape[1]), strict=True))


def matched_loss(predicted, targets, match):
    total = predicted.sum() * 0.0
    for boxes, wanted in zip(predicted, targets, strict=True):
        costs = torch.cdist(boxes.detach(), wanted).numpy()
        pairs = match(costs)
        rows, columns = zip(*pairs, strict=True)
        total = total + (boxes[list(rows)] - wanted[list(columns)]).abs().mean()
    return total


def main():
    args = options(__doc__)
    data = TensorDataset(torch.randn(1200, 64), torch.rand(1200, 60, 4))
    loader = DataLoader(data, batch_size=8, num_workers=1)
    model = Network(64, classes=1600, device_ms=10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    match = assign_all if args.fix else assign
    started, steps = time.perf_counter(), 0
    for x, targets in loader:
        predicted = model(x).view(len(x), 400, 4)
        loss = matched_loss(predicted, targets, match)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
