"""Forecasting: lags and a seasonal encoding are put together in Python loops for each sample."""

import math
import time

import numpy as np
import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset

LAGS, SEASONS = 48, 12


class Series(Dataset):
    def __init__(self, length, precompute):
        self.values = np.cumsum(np.random.default_rng(2).standard_normal(length + LAGS)).astype(np.float32)
        self.length = length
        self.table = self.build() if precompute else None

    def build(self):
        t = np.arange(self.length)[:, None, None] + np.arange(LAGS)[None, :, None]
        season = np.sin(2 * np.pi * t * np.arange(1, SEASONS + 1) / 365).sum(-1)
        return (season + self.values[t[..., 0]]).astype(np.float32)

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        if self.table is not None:
            return torch.from_numpy(self.table[index]), torch.tensor([self.values[index + LAGS]])
        features = []
        for lag in range(LAGS):
            season = 0.0
            for order in range(1, SEASONS + 1):
                season += math.sin(2 * math.pi * (index + lag) * order / 365)  # <- cause
            features.append(season + float(self.values[index + lag]))
        return torch.tensor(features), torch.tensor([self.values[index + LAGS]])


def main():
    args = options(__doc__)
    loader = DataLoader(Series(9_600, args.fix), batch_size=96, shuffle=True, num_workers=2)
    model = Network(LAGS, classes=1, device_ms=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    started, steps = time.perf_counter(), 0
    for lags, target in loader:
        time.sleep(0.008)
        loss = torch.nn.functional.mse_loss(model(lags), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
