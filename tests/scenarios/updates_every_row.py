"""A large table of embeddings is trained by an optimizer that updates all of its rows, of which a batch uses few."""

import time

import torch
from _common import options, report
from torch.utils.data import DataLoader, TensorDataset


def main():
    args = options(__doc__)
    rows, width = 300_000, 32
    random = torch.Generator().manual_seed(0)
    data = TensorDataset(torch.randint(0, rows, (20_000, 8), generator=random), torch.randn(20_000))
    loader = DataLoader(data, batch_size=64, shuffle=True, num_workers=1)
    table = torch.nn.Embedding(rows, width, sparse=args.fix)  # <- cause
    head = torch.nn.Linear(width, 1)
    if args.fix:
        optimizers = [torch.optim.SparseAdam(table.parameters()), torch.optim.Adam(head.parameters())]
    else:
        optimizers = [torch.optim.Adam([*table.parameters(), *head.parameters()])]
    started, steps = time.perf_counter(), 0
    for ids, y in loader:
        loss = (head(table(ids).mean(1)).squeeze(1) - y).square().mean()
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        steps += 1
        if steps == (300 if args.fix else 40):
            break
    report(steps, started)


if __name__ == "__main__":
    main()
