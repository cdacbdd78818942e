"""Each item needs a filter bank of its own, for the rate that it was recorded at."""

import time

import numpy as np
import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset


class FilterBank:
    def __init__(self, bands, width, rate):
        centres = np.linspace(0.0, 1.0, bands)
        grid = np.linspace(0.0, 1.0, width) * rate
        self.weights = np.stack([np.exp(-((grid - centre) ** 2) * 800.0) for centre in centres])  # <- cause
        self.weights /= self.weights.sum(1, keepdims=True) + 1e-6

    def __call__(self, signal):
        return self.weights @ signal


class Signals(Dataset):
    def __init__(self):
        random = np.random.default_rng(0)
        self.signals = random.standard_normal((64, 4096)).astype(np.float32)
        self.rates = random.uniform(0.5, 1.5, 2400)

    def __len__(self):
        return 1200

    def __getitem__(self, index):
        signal, rate = self.signals[index % 64], float(self.rates[index])
        bank = FilterBank(64, 4096, rate)
        return torch.from_numpy(bank(signal).astype(np.float32)), index % 10


def main():
    options(__doc__)
    loader = DataLoader(Signals(), batch_size=8, num_workers=1)
    model = Network(64, device_ms=8)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for x, y in loader:
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
