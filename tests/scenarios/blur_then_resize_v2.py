"""Torchvision v2 transforms on tensors: blur and conversion of the whole picture, and only then the resize."""

import time

import torch
from _common import ImageNetwork, options, picture, report
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2


class InMemory(Dataset):
    """Pictures kept as uint8 tensors, transformed on access."""

    def __init__(self, size, transform):
        self.pictures = [torch.from_numpy(picture(480, 360, seed)).permute(2, 0, 1) for seed in range(6)]
        self.size, self.transform = size, transform

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        return self.transform(self.pictures[index % 6]), index % 10


def main():
    args = options(__doc__)
    to_float = v2.ToDtype(torch.float32, scale=True)
    blur = v2.GaussianBlur(5)  # <- cause
    resize = v2.Resize((128, 128), antialias=True)
    order = [resize, to_float, blur] if args.fix else [to_float, blur, resize]
    transform = v2.Compose([*order, v2.Normalize([0.5] * 3, [0.2] * 3)])
    loader = DataLoader(InMemory(480, transform), batch_size=6, shuffle=True, num_workers=2)
    model = ImageNetwork(device_ms=9)
    optimizer = torch.optim.Adam(model.parameters())
    started, steps = time.perf_counter(), 0
    for images, labels in loader:
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
