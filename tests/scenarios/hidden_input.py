"""Photo training whose loading is heavy but entirely hidden behind a slower device."""

import time

import torch
from _common import ImageNetwork, options, photos, report
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms


class Photos(Dataset):
    def __init__(self, paths):
        self.paths = paths
        self.transform = transforms.Compose([transforms.RandomResizedCrop(160), transforms.ToTensor()])

    def __len__(self):
        return 480

    def __getitem__(self, index):
        with Image.open(self.paths[index % len(self.paths)]) as image:
            return self.transform(image.convert("RGB")), index % 10


def main():
    args = options(__doc__)
    loader = DataLoader(Photos(photos(args.data, 20, 500, 375)), batch_size=6, shuffle=True, num_workers=2)
    model = ImageNetwork(device_ms=75)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for images, labels in loader:
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
