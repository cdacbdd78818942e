"""Convolutions inside the workers with a thread count meant for the whole machine."""

import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset


class Smoothed(Dataset):
    def __init__(self, length):
        self.length = length
        self.volume = torch.randn(1, 8, 96, 96)
        self.kernel = torch.randn(8, 8, 5, 5)

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        smooth = torch.nn.functional.conv2d(self.volume, self.kernel)
        return smooth[0, :, ::8, ::8].reshape(-1) * index, index % 10


def all_cores(_worker):
    torch.set_num_threads(8)


def main():
    args = options(__doc__)
    start = None if args.fix else all_cores
    loader = DataLoader(Smoothed(960), batch_size=12, num_workers=2, worker_init_fn=start)
    model = Network(8 * 12 * 12, device_ms=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-5)
    started, steps = time.perf_counter(), 0
    for values, labels in loader:
        time.sleep(0.002)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(values), labels).backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
