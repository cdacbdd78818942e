"""Documents of very different length: a long one holds its batch, and the ready ones behind it, back."""

import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset


class Documents(Dataset):
    """Polynomial hashes of documents; every twentieth is a book."""

    def __init__(self, length):
        self.lengths = [90_000 if i % 20 == 7 else 1_200 for i in range(length)]

    def __len__(self):
        return len(self.lengths)

    def __getitem__(self, index):
        value, buckets = index, [0.0] * 16
        for position in range(self.lengths[index]):
            value = (value * 1103515245 + 12345) & 0x7FFFFFFF
            buckets[value & 15] += 1.0 + (position & 1)  # <- cause
        return torch.tensor(buckets), index % 10


def main():
    args = options(__doc__)
    loader = DataLoader(Documents(1500), batch_size=10, num_workers=2, prefetch_factor=6, in_order=not args.fix)
    model = Network(16, device_ms=22)
    optimizer = torch.optim.Adam(model.parameters())
    started, steps = time.perf_counter(), 0
    for buckets, labels in loader:
        loss = torch.nn.functional.cross_entropy(model(buckets / 1000), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
