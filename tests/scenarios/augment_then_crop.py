"""ImageNet-style training on large photos with the colour and flip augmentations before the crop."""

import time

import torch
from _common import ImageNetwork, options, photos, report
from torch.utils.data import DataLoader
from torchvision import datasets, transforms


def pipeline(crop_first):
    colour = [
        transforms.ColorJitter(0.3, 0.3, 0.3),  # <- cause
        transforms.RandomHorizontalFlip(),
    ]
    crop = [transforms.RandomResizedCrop(160)]
    steps = crop + colour if crop_first else colour + crop
    return transforms.Compose([*steps, transforms.ToTensor()])


class Repeated(torch.utils.data.Dataset):
    def __init__(self, folder, length):
        self.folder, self.length = folder, length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return self.folder[index % len(self.folder)]


def main():
    args = options(__doc__)
    photos(args.data / "train" / "all", 10, 1280, 960)
    folder = datasets.ImageFolder(args.data / "train", transform=pipeline(args.fix))
    loader = DataLoader(Repeated(folder, 280), batch_size=4, shuffle=True, num_workers=2)
    model = ImageNetwork(device_ms=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    started, steps = time.perf_counter(), 0
    for images, labels in loader:
        time.sleep(0.010)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
