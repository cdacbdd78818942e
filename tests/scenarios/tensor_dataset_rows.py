"""Tabular training on tensors in memory, fetched row by row and stacked again."""

import time

import torch
from _common import Network, options, report
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset


class Batched(torch.utils.data.Dataset):
    """The same rows, indexed with a whole batch of numbers at once."""

    def __init__(self, *tensors):
        self.tensors = tensors

    def __len__(self):
        return len(self.tensors[0])

    def __getitem__(self, indices):
        return tuple(tensor[indices] for tensor in self.tensors)


def main():
    args = options(__doc__)
    torch.manual_seed(0)
    features, target = torch.randn(120_000, 40), torch.randint(0, 2, (120_000,))
    if args.fix:
        batches = BatchSampler(RandomSampler(range(len(features))), batch_size=1024, drop_last=False)
        loader = DataLoader(Batched(features, target), sampler=batches, batch_size=None)
    else:
        loader = DataLoader(TensorDataset(features, target), batch_size=1024, shuffle=True)  # <- cause
    model = Network(40, classes=2, device_ms=3)
    optimizer = torch.optim.Adam(model.parameters())
    started, steps = time.perf_counter(), 0
    for _ in range(2):
        for x, y in loader:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
