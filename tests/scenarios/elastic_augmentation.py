"""Handwriting recognition with an elastic distortion that costs more than everything else together."""

import time

import torch
from _common import ImageNetwork, options, picture, report
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2


class Lines(Dataset):
    def __init__(self, length, transform):
        self.lines = [torch.from_numpy(picture(160, 160, seed)).permute(2, 0, 1) for seed in range(50)]
        self.length, self.transform = length, transform

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return self.transform(self.lines[index % 50]), index % 10


def main():
    args = options(__doc__)
    distort = v2.RandomAffine(5) if args.fix else v2.ElasticTransform(alpha=40.0, sigma=5.0)  # <- cause
    transform = v2.Compose(
        [v2.RandomCrop(128), distort, v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5] * 3, [0.3] * 3)]
    )
    loader = DataLoader(Lines(560, transform), batch_size=8, num_workers=2, shuffle=True)
    model = ImageNetwork(device_ms=8)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-4)
    started, steps = time.perf_counter(), 0
    for lines, labels in loader:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(lines), labels).backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
