"""Train a small classifier on a folder of photographs, one sub-folder per class.

python train.py FOLDER [--epochs N]
"""

import argparse
import time

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, models, transforms

SIZE = 64


def make_loader(folder):
    augment = transforms.Compose(
        [
            transforms.RandomRotation(15, interpolation=transforms.InterpolationMode.BILINEAR),
            transforms.ColorJitter(brightness=0.3, contrast=0.3, saturation=0.3),
            transforms.RandomHorizontalFlip(),
            transforms.Resize(SIZE + 16),
            transforms.RandomCrop(SIZE),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    photos = datasets.ImageFolder(folder, transform=augment)
    return DataLoader(photos, batch_size=10, shuffle=True, num_workers=2, drop_last=True, persistent_workers=True)


def train_one_epoch(model, loader, optimizer, device):
    total, seen = 0.0, 0
    for images, labels in loader:
        images, labels = images.to(device), labels.to(device)
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        total, seen = total + loss.item() * len(labels), seen + len(labels)
    return total / seen, seen


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--epochs", type=int, default=3)
    options = parser.parse_args()
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        torch.set_num_threads(1)  # the loader's workers need the other cores
    loader = make_loader(options.folder)
    model = models.shufflenet_v2_x0_5(num_classes=len(loader.dataset.classes)).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    for epoch in range(options.epochs):
        begun = time.perf_counter()
        loss, seen = train_one_epoch(model, loader, optimizer, device)
        rate = seen / (time.perf_counter() - begun)
        print(f"epoch {epoch + 1}/{options.epochs}: loss {loss:.3f}, {rate:.0f} images/s", flush=True)


if __name__ == "__main__":
    main()
