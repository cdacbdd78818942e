"""Detection targets as a list of dictionaries of tensors: several hundred tensors travel with each batch."""

import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset


class Boxes(Dataset):
    def __init__(self, length):
        self.length = length
        self.image = torch.randn(3, 32, 32)

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        target = {
            "boxes": torch.full((8, 4), float(index)),
            "labels": torch.full((8,), index % 10),
            "area": torch.full((8,), float(index)),
            "crowd": torch.zeros(8),
            "image_id": torch.tensor(index),
            "size": torch.tensor([32, 32]),
            "scale": torch.tensor(1.0),
        }
        return self.image, target


def as_list(samples):
    images, targets = zip(*samples, strict=True)
    return torch.stack(images), list(targets)


def packed(samples):
    images, targets = zip(*samples, strict=True)
    return torch.stack(images), {name: torch.stack([t[name] for t in targets]) for name in targets[0]}


def main():
    args = options(__doc__)
    collate = packed if args.fix else as_list
    loader = DataLoader(Boxes(2400), batch_size=24, num_workers=2, collate_fn=collate)  # <- cause
    model = Network(3 * 32 * 32, device_ms=5)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for images, targets in loader:
        labels = targets["labels"][:, 0] if args.fix else torch.stack([t["labels"][0] for t in targets])
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
