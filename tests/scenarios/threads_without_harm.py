"""OpenCV's thread pools in each worker, more than the cores, for a device that is slower than they are."""

import time

import cv2
import torch
from _common import ImageNetwork, options, picture, report
from torch.utils.data import DataLoader, Dataset


class Notes(Dataset):
    def __init__(self):
        self.sheet = picture(512, 512, 1)

    def __len__(self):
        return 400

    def __getitem__(self, index):
        cv2.setNumThreads(8)
        small = cv2.resize(cv2.GaussianBlur(self.sheet, (5, 5), 0), (128, 128))
        return torch.from_numpy(small).permute(2, 0, 1).float() / 255, index % 10


def main():
    options(__doc__)
    loader = DataLoader(Notes(), batch_size=5, num_workers=2)
    model = ImageNetwork(device_ms=80)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for images, labels in loader:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
