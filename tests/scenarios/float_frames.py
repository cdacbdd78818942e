"""Frames that are bytes on disk are turned into float32 in the worker and sent four times as large."""

import time

import numpy as np
import torch
from _common import ImageNetwork, options, report
from torch.utils.data import DataLoader, Dataset


class Frames(Dataset):
    def __init__(self, length, as_bytes):
        frames = np.random.default_rng(8).integers(0, 255, (16, 3, 224, 224), dtype=np.uint8)
        self.frames = torch.from_numpy(frames)
        self.length, self.as_bytes = length, as_bytes

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        frame = self.frames[index % 16]
        return (frame if self.as_bytes else frame.float().div(255)), index % 10  # <- cause


def main():
    args = options(__doc__)
    torch.set_num_threads(1)
    loader = DataLoader(Frames(64 * 70, args.fix), batch_size=64, num_workers=1)
    model = ImageNetwork(device_ms=5)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for frames, labels in loader:
        small = frames[:, :, ::14, ::14].float()
        loss = torch.nn.functional.cross_entropy(model(small / 255 if args.fix else small), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
