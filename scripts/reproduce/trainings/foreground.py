"""Train a CIFAR-10 ResNet under cutout, with batch augmentation, with GrabCut foregrounds; a line of JSON per epoch."""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import torch
from stand_in import StandIn
from torch import nn
from torch.utils.data import DataLoader, Dataset

RECORD = 1 + 3 * 32 * 32
HOLE = 16
MEAN, SPREAD = 125.0, 63.0
STRATEGIES = ("cutout", "batch", "foreground")


def read(files):
    """Return images (n, 32, 32, 3) uint8 and labels of CIFAR-10's binary files."""
    records = np.concatenate([np.fromfile(file, dtype=np.uint8).reshape(-1, RECORD) for file in files])
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), records[:, 0].astype(np.int64)


def foreground(image):
    """Return the image with what GrabCut takes for its ground in black; the image itself where all is ground."""
    mask = np.zeros(image.shape[:2], np.uint8)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(image, mask, (3, 3, 26, 26), *models, 5, cv2.GC_INIT_WITH_RECT)
    kept = (mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)
    return image * kept[..., None].astype(np.uint8) if kept.any() else image


def cutout(image, random):
    """Return a copy, perhaps mirrored, with a square of 16 pixels blacked out, which may reach over the edge."""
    image = image[:, ::-1].copy() if random.random() < 0.5 else image.copy()
    y, x = random.integers(0, 32, 2)
    image[max(y - HOLE // 2, 0) : y + HOLE // 2, max(x - HOLE // 2, 0) : x + HOLE // 2] = 0
    return image


def to_floats(images):
    """Return images (..., 32, 32, 3) as a float tensor (..., 3, 32, 32)."""
    return (torch.from_numpy(np.ascontiguousarray(images)).movedim(-1, -3).float() - MEAN) / SPREAD


class Augmented(Dataset):
    """Each item is `copies` of an image with a cutout each; with `foregrounds` every other one of its foreground."""

    def __init__(self, images, labels, strategy, copies, precomputed):
        self.images, self.labels = images, labels
        self.copies = 1 if strategy == "cutout" else copies
        self.foregrounds = strategy == "foreground"
        self.ready = [foreground(image) for image in images] if precomputed and self.foregrounds else None

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        random = np.random.default_rng(torch.randint(1 << 31, ()).item())
        image = self.images[index]
        kinds = [image] * self.copies
        if self.foregrounds:
            cut = self.ready[index] if self.ready else foreground(image)
            kinds[1::2] = [cut] * len(kinds[1::2])
        return to_floats(np.stack([cutout(kind, random) for kind in kinds])), int(self.labels[index])


class Block(nn.Module):
    """Two 3×3 convolutions and a way round them."""

    def __init__(self, into, out, stride):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(into, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out))
        self.round = nn.Identity() if into == out and stride == 1 else nn.Conv2d(into, out, 1, stride, bias=False)

    def forward(self, values):
        return torch.relu(self.second(self.first(values)) + self.round(values))


def resnet(depth):
    """Return the CIFAR ResNet of 6n + 2 layers (He et al.): n blocks of 16, 32 and 64 channels each."""
    blocks, into = [], 16
    for stage, width in enumerate((16, 32, 64)):
        for number in range((depth - 2) // 6):
            blocks.append(Block(into, width, 2 if stage and not number else 1))
            into = width
    start = nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
    return nn.Sequential(start, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


@torch.no_grad()
def evaluate(model, images, labels, device):
    """Return mean loss and accuracy on unchanged images."""
    model.eval()
    loss, right = 0.0, 0
    for values, targets in zip(to_floats(images).split(256), torch.from_numpy(labels).split(256), strict=True):
        found = model(values.to(device))
        loss += nn.functional.cross_entropy(found, targets.to(device), reduction="sum").item()
        right += (found.argmax(1).cpu() == targets).sum().item()
    model.train()
    return loss / len(labels), right / len(labels)


def train_epoch(model, loader, optimizer, device):
    """Return mean loss and accuracy on the augmented images of one epoch."""
    loss_sum, right, seen = 0.0, 0, 0
    for images, labels in loader:
        labels = labels.repeat_interleave(images.shape[1]).to(device)
        images = images.flatten(0, 1).to(device)
        optimizer.zero_grad(set_to_none=True)
        found = model(images)
        loss = nn.functional.cross_entropy(found, labels)
        loss.backward()
        optimizer.step()
        loss_sum += loss.item() * len(labels)
        right += (found.argmax(1) == labels).sum().item()
        seen += len(labels)
    return loss_sum / seen, right / seen


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--strategy", choices=STRATEGIES, default="foreground")
    parser.add_argument("--copies", type=int, default=4, help="M of batch augmentation")
    parser.add_argument("--precomputed", action="store_true", help="cut the foregrounds once, before the training")
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--depth", type=int, default=44)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--device-ms", type=float, help="a step of a device that is not there, instead of the network")
    parser.add_argument("--save", type=Path)
    args = parser.parse_args()
    torch.manual_seed(0)
    if not torch.cuda.is_available():
        # The workers need the other cores.
        torch.set_num_threads(1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    images, labels = read(sorted(args.data.glob("data_batch_*.bin")))
    test = read([args.data / "test_batch.bin"])
    data = Augmented(images, labels, args.strategy, args.copies, args.precomputed)
    loader = DataLoader(data, batch_size=args.batch, shuffle=True, num_workers=args.workers)
    model = resnet(args.depth) if args.device_ms is None else StandIn(10, args.device_ms)
    model = model.to(device)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=args.rate)
    steps = [max(int(args.epochs * share), 1) for share in (0.4, 0.6, 0.8)]
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, steps, 0.1)
    for epoch in range(args.epochs):
        trained = train_epoch(model, loader, optimizer, device)
        schedule.step()
        print(json.dumps([epoch, *trained, *evaluate(model, *test, device)]), flush=True)
    if args.save:
        torch.save({"depth": args.depth, "weights": model.cpu().state_dict()}, args.save)


if __name__ == "__main__":
    main()
