"""A large embedding updated by Adam on the CPU, in a process that was set to one thread, beside idle cores."""

import time

import torch
from _common import options, report
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def main():
    args = options(__doc__)
    torch.set_num_threads(2 if args.fix else 1)  # <- cause
    table, head = nn.Embedding(150_000, 64), nn.Linear(64, 10)
    optimizer = torch.optim.Adam([*table.parameters(), *head.parameters()], lr=1e-3)
    data = TensorDataset(torch.randint(0, 150_000, (720, 20)), torch.randint(0, 10, (720,)))
    started, steps = time.perf_counter(), 0
    for words, y in DataLoader(data, batch_size=16, num_workers=0):
        loss = nn.functional.cross_entropy(head(table(words).mean(1)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
