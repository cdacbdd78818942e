"""Digits in a DataFrame, one column per pixel, copied cell by cell into the image."""

import time

import numpy as np
import pandas as pd
import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset


class Digits(Dataset):
    def __init__(self, rows, vectorised):
        pixels = np.random.default_rng(0).integers(0, 255, (rows, 145))
        self.frame = pd.DataFrame(pixels, columns=["label", *(f"p{i}" for i in range(144))])
        self.vectorised = vectorised

    def __len__(self):
        return len(self.frame)

    def __getitem__(self, index):
        if self.vectorised:
            image = self.frame.iloc[index].to_numpy()[1:].reshape(12, 12).astype(np.float32)
        else:
            image = np.zeros((12, 12), dtype=np.float32)
            for pixel in range(144):
                image[pixel // 12, pixel % 12] = self.frame.iloc[index].iloc[pixel + 1]  # <- cause
        return torch.from_numpy(image) / 255, int(self.frame.iat[index, 0]) % 10


def main():
    args = options(__doc__)
    loader = DataLoader(Digits(1200, args.fix), batch_size=16, shuffle=True, num_workers=2)
    model = Network(144, device_ms=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for images, labels in loader:
        time.sleep(0.010)
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
