"""A table whose rows are made in the training process: the loop waits for about a tenth of its time."""

import argparse
import time

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Readings(Dataset):
    def __init__(self, count):
        self.values = torch.randn(count, 64)

    def __len__(self):
        return len(self.values)

    def __getitem__(self, index):
        row = self.values[index]
        for _ in range(2):
            row = torch.fft.irfft(torch.fft.rfft(row) * 0.9, n=64)
        return row, index % 4


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument(
        "--device-ms", type=float, default=None, help="what a step takes on the device (default: measured)"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = Readings(args.steps * 32)
    began = time.perf_counter()
    for _ in zip(DataLoader(data, batch_size=32), range(40)):
        pass
    batch_s = (time.perf_counter() - began) / 40
    device_s = 9 * batch_s if args.device_ms is None else args.device_ms / 1e3
    model = nn.Linear(64, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for values, labels in DataLoader(data, batch_size=32):
        began = time.perf_counter()
        loss = nn.functional.cross_entropy(model(values), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        time.sleep(max(began + device_s - time.perf_counter(), 0))


if __name__ == "__main__":
    main()
