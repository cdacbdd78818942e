"""One worker that is busy most of the time and still, just, in time for each step."""

import time

import numpy as np
import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset


class Readings(Dataset):
    """Sensor windows with a Fourier transform each."""

    def __init__(self):
        self.series = np.random.default_rng(12).standard_normal(200_000)

    def __len__(self):
        return 720

    def __getitem__(self, index):
        window = self.series[index * 200 : index * 200 + 20_000]
        spectrum = np.abs(np.fft.rfft(window * np.hanning(window.size)))
        return torch.from_numpy(spectrum[:4096].reshape(64, 64).mean(0)).float(), index % 5


def main():
    options(__doc__)
    loader = DataLoader(Readings(), batch_size=8, shuffle=True, num_workers=1)
    model = Network(64, classes=5, device_ms=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for x, y in loader:
        time.sleep(0.040)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
