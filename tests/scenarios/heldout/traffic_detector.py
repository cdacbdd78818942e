"""A detector on made-up street scenes: a batch is a list of images and a list of dicts with one tensor per fact."""

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

FACTS = ("area", "iscrowd", "occluded", "truncated", "difficult", "depth", "speed", "heading", "track", "lane")


class Streets(Dataset):
    def __init__(self, scenes):
        generator = torch.Generator().manual_seed(31)
        self.boxes = [torch.rand(2 + n % 9, 4, generator=generator) for n in range(scenes)]
        self.background = torch.rand(3, 48, 48, generator=generator)

    def __len__(self):
        return len(self.boxes)

    def __getitem__(self, n):
        boxes = self.boxes[n]
        target = {"boxes": boxes.clone(), "labels": torch.full((len(boxes),), n % 5), "image_id": torch.tensor(n)}
        for fact in FACTS:
            target[fact] = boxes[:, 0].clone()
        return self.background * (n % 7 / 7), target


def as_lists(batch):
    images, targets = zip(*batch)  # noqa: B905
    return list(images), list(targets)


class TinyDetector(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 5, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.box = nn.Linear(32, 4)

    def forward(self, images, targets):
        guess = self.box(self.body(torch.stack(images)))
        wanted = torch.stack([target["boxes"].mean(0) for target in targets])
        weight = torch.stack([target["area"].mean() for target in targets])
        return {"box": ((guess - wanted).abs().mean(1) * (1 + weight)).mean()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", help="not needed: the scenes are made up in memory")
    parser.parse_args()
    torch.set_num_threads(1)
    loader = DataLoader(
        Streets(1200), batch_size=16, shuffle=True, num_workers=2, collate_fn=as_lists, persistent_workers=True
    )
    model = TinyDetector()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    for epoch in range(2):
        for images, targets in loader:
            losses = model(images, targets)
            total = sum(losses.values())
            optimizer.zero_grad()
            total.backward()
            optimizer.step()
        print(f"epoch {epoch} loss {total.item():.4f}", flush=True)


if __name__ == "__main__":
    main()
