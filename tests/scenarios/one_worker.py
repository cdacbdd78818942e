"""Image augmentation of ordinary cost in a single worker, for a network that is quicker than that."""

import time

import torch
from _common import ImageNetwork, options, photos, report
from torch.utils.data import DataLoader, Dataset
from torchvision import io
from torchvision.transforms import v2


class Album(Dataset):
    def __init__(self, paths, length):
        self.paths = [str(path) for path in paths]
        self.length = length
        self.augment = v2.Compose(
            [
                v2.RandomResizedCrop(192, antialias=True),
                v2.RandomHorizontalFlip(),
                v2.ColorJitter(0.2, 0.2),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize([0.5] * 3, [0.25] * 3),
            ]
        )

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return self.augment(io.read_image(self.paths[index % len(self.paths)])), index % 10


def main():
    args = options(__doc__)
    torch.set_num_threads(1)
    album = Album(photos(args.data, 40, 320, 240), length=900)
    loader = DataLoader(album, batch_size=10, shuffle=True, num_workers=2 if args.fix else 1)  # <- cause
    model = ImageNetwork(device_ms=6)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    start, steps = time.perf_counter(), 0
    for images, labels in loader:
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, start)


if __name__ == "__main__":
    main()
