"""Behaviour cloning on recorded frames: three resized frames per sample, made while the network waits."""

import time

import cv2
import numpy as np
import torch
from _common import Network, options, picture, report
from torch import nn
from torch.utils.data import DataLoader, Dataset

cv2.setNumThreads(1)


class Drives(Dataset):
    """Windows of three frames from drives kept in memory as encoded pictures."""

    def __init__(self, drives=12, frames=20):
        frame = [picture(480, 270, seed) for seed in range(drives)]
        self.encoded = [cv2.imencode(".jpg", frame[drive])[1] for drive in range(drives)]
        self.frames = frames

    def __len__(self):
        return len(self.encoded) * self.frames

    def __getitem__(self, index):
        drive, start = divmod(index, self.frames)
        stack = []
        for offset in range(3):
            frame = cv2.imdecode(self.encoded[(drive + offset) % len(self.encoded)], cv2.IMREAD_COLOR)
            frame = cv2.GaussianBlur(cv2.resize(frame, (240, 135)), (5, 5), 0)
            stack.append(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY).astype(np.float32) / 255)
        return torch.from_numpy(np.stack(stack)), torch.tensor([start / self.frames, drive / 10])


class Driver(nn.Module):
    def __init__(self):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d((9, 16))
        self.network = Network(3 * 9 * 16, classes=2, device_ms=40)

    def forward(self, frames):
        return self.network(self.pool(frames))


def main():
    args = options(__doc__)
    if args.fix:
        extra = {"num_workers": 2, "persistent_workers": True}
    else:
        extra = {}
    loader = DataLoader(Drives(), batch_size=8, shuffle=True, **extra)  # <- cause
    model = Driver()
    optimizer = torch.optim.Adam(model.parameters())
    began, steps = time.perf_counter(), 0
    for _epoch in range(3):
        for frames, steering in loader:
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(model(frames), steering).backward()
            optimizer.step()
            steps += 1
    report(steps, began)


if __name__ == "__main__":
    main()
