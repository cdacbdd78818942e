"""Satellite patches: own transform classes normalise the whole scene and then cut a patch from it."""

import time

import numpy as np
import torch
from _common import Network, options, picture, report
from torch.utils.data import DataLoader, Dataset


class Compose:
    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, scene):
        for transform in self.transforms:
            scene = transform(scene)
        return scene


class Normalise:
    def __init__(self, mean, std):
        self.mean, self.std = np.asarray(mean, np.float32), np.asarray(std, np.float32)

    def __call__(self, scene):  # <- cause
        return (scene.astype(np.float32) / 255 - self.mean) / self.std


class RandomPatch:
    def __init__(self, size):
        self.size = size

    def __call__(self, scene):
        top, left = np.random.randint(0, [scene.shape[0] - self.size, scene.shape[1] - self.size])
        return scene[top : top + self.size, left : left + self.size].copy()


class Scenes(Dataset):
    def __init__(self, transform, length=720):
        self.scenes = [picture(1024, 1024, seed) for seed in range(4)]
        self.transform, self.length = transform, length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return self.transform(self.scenes[index % 4]), index % 3


def main():
    args = options(__doc__)
    normalise = Normalise([0.4, 0.4, 0.4], [0.2, 0.2, 0.2])  # <- cause
    patch = RandomPatch(96)
    transform = Compose([patch, normalise] if args.fix else [normalise, patch])
    loader = DataLoader(Scenes(transform), batch_size=8, num_workers=2, shuffle=True)
    model = Network(96 * 96 * 3, classes=3, device_ms=7)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    started, steps = time.perf_counter(), 0
    for patches, kinds in loader:
        loss = torch.nn.functional.cross_entropy(model(patches), kinds)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
