"""A dataset that opens and checks every file in its constructor before the first batch."""

import time

import torch
from _common import ImageNetwork, options, photos, report
from PIL import Image
from torch.utils.data import DataLoader, Dataset


class Verified(Dataset):
    def __init__(self, paths, check):
        self.paths = []
        for path in paths * 12:
            if check:
                Image.open(path).convert("L").getextrema()  # <- cause
            self.paths.append(path)

    def __len__(self):
        return 300

    def __getitem__(self, index):
        tiny = torch.full((3, 16, 16), index / len(self.paths))
        return tiny, index % 10


def main():
    args = options(__doc__)
    dataset = Verified(photos(args.data, 10, 1600, 1200), check=not args.fix)
    loader = DataLoader(dataset, batch_size=5, num_workers=1)
    model = ImageNetwork(device_ms=25)
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
