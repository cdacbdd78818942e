"""Photos four times as large as needed, decoded in full, but always in time: there is nothing to win."""

import time

import torch
from _common import ImageNetwork, options, photos, report
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms


class Large(Dataset):
    def __init__(self, paths, scaled):
        self.paths, self.scaled = paths, scaled
        self.shrink = transforms.Compose([transforms.Resize((128, 128)), transforms.ToTensor()])

    def __len__(self):
        return 150

    def __getitem__(self, index):
        image = Image.open(self.paths[index % len(self.paths)])
        if self.scaled:
            image.draft("RGB", (256, 256))
        return self.shrink(image.convert("RGB")), index % 10


def main():
    args = options(__doc__)
    large = Large(photos(args.data, 8, 1100, 825), scaled=args.fix)
    loader = DataLoader(large, batch_size=2, shuffle=True, num_workers=2)
    model = ImageNetwork(device_ms=110)
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
