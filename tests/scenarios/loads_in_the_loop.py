"""A photo classifier that reads its images in the training process, between one step and the next."""

import time

import torch
from _common import ImageNetwork, options, photos, report
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms


class Photos(Dataset):
    def __init__(self, paths, length):
        self.paths, self.length = paths, length
        self.transform = transforms.Compose(
            [transforms.RandomHorizontalFlip(), transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.25] * 3)]
        )

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        with Image.open(self.paths[index % len(self.paths)]) as image:
            return self.transform(image.convert("RGB")), index % 10


def main():
    args = options(__doc__)
    dataset = Photos(photos(args.data, 32, 384, 384), length=960)
    workers = 2 if args.fix else 0
    loader = DataLoader(dataset, batch_size=8, shuffle=True, num_workers=workers)  # <- cause
    model = ImageNetwork(device_ms=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for images, labels in loader:
        time.sleep(0.030)
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
