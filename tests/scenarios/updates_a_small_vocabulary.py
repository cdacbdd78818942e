"""A batch uses most rows of the table that the optimizer updates."""

import time

import torch
from _common import options, report
from torch.utils.data import DataLoader, TensorDataset


def main():
    options(__doc__)
    rows, width = 20_000, 64
    random = torch.Generator().manual_seed(0)
    data = TensorDataset(torch.randint(0, rows, (40_000, 64), generator=random), torch.randn(40_000))
    loader = DataLoader(data, batch_size=512, shuffle=True, num_workers=1)
    table = torch.nn.Embedding(rows, width)
    head = torch.nn.Linear(width, 1)
    optimizer = torch.optim.Adam([*table.parameters(), *head.parameters()])
    started, steps = time.perf_counter(), 0
    for ids, y in loader:
        loss = (head(table(ids).mean(1)).squeeze(1) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
