"""OpenCV augmentations in four workers, each with OpenCV's own pool of many threads."""

import time

import cv2
import numpy as np
import torch
from _common import ImageNetwork, options, picture, report
from torch.utils.data import DataLoader, Dataset


class Plates(Dataset):
    def __init__(self, length, threads):
        self.plates = [picture(640, 480, seed) for seed in range(8)]
        self.length, self.threads = length, threads

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        cv2.setNumThreads(self.threads)
        plate = self.plates[index % 8]
        angle = cv2.getRotationMatrix2D((320, 240), index % 20 - 10, 1.0)
        plate = cv2.warpAffine(plate, angle, (640, 480), flags=cv2.INTER_LINEAR)
        plate = cv2.GaussianBlur(plate, (7, 7), 0)
        return torch.from_numpy(np.ascontiguousarray(plate[::4, ::4].transpose(2, 0, 1))), index % 10


def main():
    args = options(__doc__)
    loader = DataLoader(Plates(1600, 0 if args.fix else 16), batch_size=16, num_workers=4)
    model = ImageNetwork(device_ms=5)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for plates, labels in loader:
        loss = torch.nn.functional.cross_entropy(model(plates.float() / 255), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
