"""Documents of very different length: a long one holds its batch, and the ready ones behind it, back."""

import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset


class Documents(Dataset):
    """Polynomial hashes of documents; one in two hundred is a book."""

    def __init__(self, length):
        self.lengths = [1_200_000 if i % 200 == 7 else 1_200 for i in range(length)]

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
    loader = DataLoader(Documents(2400), batch_size=10, shuffle=True, num_workers=3, in_order=not args.fix)
    model = Network(16, device_ms=12)
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
