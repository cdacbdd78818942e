"""Millions of Python strings in the dataset: reading them dirties pages that the workers shared with the trainer."""

import time

import numpy as np
import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset

SAMPLES, WORDS = 440 * 128, 50


class Captions(Dataset):
    def __init__(self, as_array):
        names = [f"{number:09d} " + "a caption of a picture " * 9 for number in range(SAMPLES * WORDS)]
        self.captions = np.array(names, dtype=np.bytes_) if as_array else names  # <- cause

    def __len__(self):
        return SAMPLES

    def __getitem__(self, index):
        length = 0
        for number in range(index * WORDS, (index + 1) * WORDS):
            length += len(self.captions[number])
        return torch.full((16,), length / 12000), index % 10


def main():
    args = options(__doc__)
    loader = DataLoader(Captions(args.fix), batch_size=128, num_workers=2)
    model = Network(16, device_ms=30)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for values, labels in loader:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(values), labels).backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
