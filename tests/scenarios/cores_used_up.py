"""Four workers on ordinary augmentations: the cores are busy all the time, and more workers change nothing."""

import time

import torch
from _common import ImageNetwork, options, picture, report
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2


class Crops(Dataset):
    def __init__(self, length):
        self.pictures = [torch.from_numpy(picture(400, 400, seed)).permute(2, 0, 1) for seed in range(20)]
        self.length = length
        self.augment = v2.Compose(
            [
                v2.RandomResizedCrop(224, antialias=True),
                v2.RandomHorizontalFlip(),
                v2.RandomRotation(10),
                v2.ColorJitter(0.2, 0.2, 0.2),
                v2.RandomGrayscale(0.2),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize([0.5] * 3, [0.25] * 3),
            ]
        )

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return self.augment(self.pictures[index % 20]), index % 10


def main():
    args = options(__doc__)
    torch.set_num_threads(1)
    loader = DataLoader(Crops(1000), batch_size=10, shuffle=True, num_workers=8 if args.fix else 4)
    model = ImageNetwork(device_ms=6)
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
