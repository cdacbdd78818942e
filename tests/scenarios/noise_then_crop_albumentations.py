"""Segmentation of aerial pictures with albumentations: pixel augmentations first, a small crop last."""

import time

import albumentations
import cv2
import numpy as np
import torch
from _common import ImageNetwork, options, picture, report
from torch.utils.data import DataLoader, Dataset

cv2.setNumThreads(0)


class Aerial(Dataset):
    def __init__(self, scenes, length, augment):
        self.scenes, self.length, self.augment = scenes, length, augment

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        out = self.augment(image=self.scenes[index % len(self.scenes)])["image"]
        return torch.from_numpy(np.ascontiguousarray(out.transpose(2, 0, 1))).float() / 255, index % 10


def main():
    args = options(__doc__)
    pixel = [
        albumentations.HueSaturationValue(p=1),  # <- cause
        albumentations.RandomBrightnessContrast(p=1),
    ]
    crop = [albumentations.RandomCrop(192, 192)]
    augment = albumentations.Compose(crop + pixel if args.fix else pixel + crop)
    scenes = [picture(1500, 1500, seed) for seed in range(4)]
    loader = DataLoader(Aerial(scenes, 520, augment), batch_size=8, shuffle=True, num_workers=2)
    model = ImageNetwork(device_ms=8)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    started, steps = time.perf_counter(), 0
    for images, labels in loader:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
