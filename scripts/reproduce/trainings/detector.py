"""Train a small object detector on a COCO-like folder: flip, rotate, jitter, then crop and resize (or those first)."""

import argparse
import itertools
import json
import time
from collections import defaultdict
from pathlib import Path

import torch
from PIL import Image
from stand_in import StandIn
from torch import nn
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision import tv_tensors
from torchvision.transforms import v2

SIDE = 300
GRID = 10


class Coco(Dataset):
    """Images with the centres and sizes of their boxes on a grid, as one-stage detectors learn them."""

    def __init__(self, folder, transform):
        whole = json.loads(Path(folder, "annotations.json").read_text())
        self.files = [(Path(folder, "images", image["file_name"]), image["id"]) for image in whole["images"]]
        self.boxes = defaultdict(list)
        for box in whole["annotations"]:
            self.boxes[box["image_id"]].append(box["bbox"])
        self.transform = transform

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        path, number = self.files[index]
        image = Image.open(path).convert("RGB")
        size = (image.height, image.width)
        boxes = tv_tensors.BoundingBoxes(self.boxes[number] or [[0, 0, 1, 1]], format="XYWH", canvas_size=size)
        image, boxes = self.transform(image, boxes)
        return image, on_grid(boxes)


def on_grid(boxes):
    """Return (5, GRID, GRID): whether a box has its centre in the cell, and its place and size."""
    target = torch.zeros(5, GRID, GRID)
    cell = SIDE / GRID
    for left, top, width, height in boxes.float().tolist():
        if width > 1 and height > 1:
            x, y = left + width / 2, top + height / 2
            column, row = min(int(x / cell), GRID - 1), min(int(y / cell), GRID - 1)
            target[:, row, column] = torch.tensor([1, x / cell - column, y / cell - row, width / SIDE, height / SIDE])
    return target


def pipeline(order):
    augment = [v2.RandomHorizontalFlip(), v2.RandomRotation(10), v2.ColorJitter(0.3, 0.3, 0.3)]
    crop = [v2.RandomResizedCrop(SIDE, scale=(0.2, 1.0))]
    steps = crop + augment if order == "crop-first" else augment + crop
    return v2.Compose([*steps, v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])


class Detector(nn.Module):
    """Five strided convolutions down to the grid."""

    def __init__(self):
        super().__init__()
        widths = (3, 16, 32, 64, 64)
        layers = [
            nn.Sequential(nn.Conv2d(i, o, 3, 2, 1), nn.BatchNorm2d(o), nn.ReLU()) for i, o in itertools.pairwise(widths)
        ]
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(GRID), nn.Conv2d(widths[-1], 5, 1))

    def forward(self, images):
        return self.layers(images)


def loss_of(found, target):
    there = target[:, :1]
    presence = nn.functional.binary_cross_entropy_with_logits(found[:, :1], there)
    return presence + (there * (found[:, 1:].sigmoid() - target[:, 1:]).square()).sum() / there.sum().clamp(min=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--order", choices=("augment-first", "crop-first"), default="augment-first")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--device-ms", type=float, help="a step of a device that is not there, instead of the network")
    args = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    data = Coco(args.data, pipeline(args.order))
    sampler = RandomSampler(data, replacement=True, num_samples=args.steps * args.batch)
    loader = DataLoader(
        data, batch_size=args.batch, sampler=sampler, num_workers=args.workers, pin_memory=device == "cuda"
    )
    model = Detector() if args.device_ms is None else StandIn(5 * GRID * GRID, args.device_ms)
    model = model.to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    started = time.perf_counter()
    for images, targets in loader:
        images, targets = images.to(device, non_blocking=True), targets.to(device, non_blocking=True)
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(model(images).view(-1, 5, GRID, GRID), targets)
        loss.backward()
        optimizer.step()
    print(f"loss {loss.item():.3f} after {args.steps} steps, {time.perf_counter() - started:.2f} s")


if __name__ == "__main__":
    main()
