"""A table whose rows come from a store that takes its time: the loop waits for about a tenth of it."""

import argparse
import time

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Readings(Dataset):
    def __init__(self, count, answer_s):
        self.values, self.answer_s = torch.randn(count, 64), answer_s

    def __len__(self):
        return len(self.values)

    def __getitems__(self, indices):
        time.sleep(self.answer_s)
        return [(self.values[index], index % 4) for index in indices]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--answer-ms", type=float, default=1.85, help="what the store takes for a batch")
    parser.add_argument("--device-ms", type=float, default=22.0, help="what a step takes on the device")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = nn.Linear(64, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for values, labels in DataLoader(Readings(args.steps * 32, args.answer_ms / 1e3), batch_size=32):
        began = time.perf_counter()
        loss = nn.functional.cross_entropy(model(values), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        time.sleep(max(began + args.device_ms / 1e3 - time.perf_counter(), 0))


if __name__ == "__main__":
    main()
