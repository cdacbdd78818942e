"""EEG windows cut by a table of onsets that is asked with `.iloc` for each window."""

import time

import numpy as np
import pandas as pd
import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset


class Windows(Dataset):
    def __init__(self, windows, as_arrays):
        random = np.random.default_rng(1)
        self.signal = random.standard_normal((8, 200_000)).astype(np.float32)
        self.metadata = pd.DataFrame(
            {
                "onset": random.integers(0, 199_000, windows),
                "target": random.integers(0, 4, windows),
                "subject": [f"s{i % 9}" for i in range(windows)],
                "run": random.integers(0, 5, windows),
            }
        )
        self.arrays = self.metadata[["onset", "target", "run"]].to_numpy() if as_arrays else None

    def __len__(self):
        return len(self.metadata)

    def __getitem__(self, index):
        if self.arrays is not None:
            onset, target, run = self.arrays[index]
        else:
            onset = int(self.metadata.iloc[index]["onset"])  # <- cause
            target = int(self.metadata.iloc[index]["target"])  # <- cause
            run = int(self.metadata.iloc[index]["run"])  # <- cause
        window = self.signal[:, onset : onset + 64]
        return torch.from_numpy(window * (1 + int(run) / 100)), int(target)


def main():
    args = options(__doc__)
    loader = DataLoader(Windows(32_000, args.fix), batch_size=128, shuffle=True, num_workers=2)
    model = Network(8 * 64, classes=4, device_ms=4)
    optimizer = torch.optim.Adam(model.parameters())
    started, steps = time.perf_counter(), 0
    for windows, targets in loader:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(windows), targets).backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
