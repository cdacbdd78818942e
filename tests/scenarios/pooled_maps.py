"""Feature maps are averaged in the dataset, one sample at a time."""

import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset


class Maps(Dataset):
    def __init__(self, count, side=300):
        self.count = count
        self.maps = torch.ones(1, 16, side, side)

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        smooth = torch.nn.functional.avg_pool2d(self.maps, 5, 1)  # <- cause
        return smooth.mean(dim=(0, 2, 3)) * index / self.count, index % 10


def main():
    args = options(__doc__)
    torch.set_num_threads(2)
    loader = DataLoader(Maps(400), batch_size=1, num_workers=2 if args.fix else 1)  # <- cause
    model = Network(16, device_ms=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    started, steps = time.perf_counter(), 0
    for values, labels in loader:
        time.sleep(0.005)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(values), labels).backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
