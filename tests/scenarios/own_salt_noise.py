"""Document images with a home-made noise transform that visits pixels one by one."""

import random
import time

import torch
from _common import ImageNetwork, options, picture, report
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms


class SaltNoise:
    """Set a share of the pixels to white."""

    def __init__(self, share, vectorised):
        self.share, self.vectorised = share, vectorised

    def __call__(self, image):
        if self.vectorised:
            image[:, torch.rand(image.shape[1:]) < self.share] = 1.0
            return image
        _, height, width = image.shape
        for _ in range(int(height * width * self.share)):
            image[:, random.randrange(height), random.randrange(width)] = 1.0  # <- cause
        return image


class Scans(Dataset):
    def __init__(self, transform, length):
        self.pages = [picture(128, 128, seed) for seed in range(30)]
        self.transform, self.length = transform, length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return self.transform(self.pages[index % 30]), index % 4


def main():
    args = options(__doc__)
    transform = transforms.Compose(
        [
            transforms.ToTensor(),
            SaltNoise(0.05, vectorised=args.fix),
            transforms.Normalize([0.5] * 3, [0.5] * 3),
        ]
    )
    loader = DataLoader(Scans(transform, 600), batch_size=8, shuffle=True, num_workers=2)
    model = ImageNetwork(classes=4, device_ms=6)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for pages, labels in loader:
        loss = torch.nn.functional.cross_entropy(model(pages), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
