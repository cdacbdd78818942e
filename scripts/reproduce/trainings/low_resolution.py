"""Small ResNets on images of full size, with or without low-resolution awareness: inputs scaled down and up again."""

import cv2
import numpy as np
import torch
from foreground import Block
from pipelines import MEAN, SIDE, SPREAD
from torch import nn

# Random parts of the images are learned from; tests are on whole ones.
PART = 112


def resnet(depth, classes):
    """Return a ResNet of 6n + 2 layers for images of 224 pixels: first to an eighth, then 16, 32 and 64 channels."""
    blocks, into = [], 16
    for stage, width in enumerate((16, 32, 64)):
        for number in range((depth - 2) // 6):
            blocks.append(Block(into, width, 2 if stage and not number else 1))
            into = width
    start = nn.Sequential(nn.Conv2d(3, 16, 7, 4, 3, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    model = nn.Sequential(start, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes))
    return model.to(memory_format=torch.channels_last)


def normalised(images):
    """Return bytes (n, h, w, 3) as floats (n, 3, h, w), channels last in memory."""
    floats = (torch.from_numpy(images).float() / 255 - torch.from_numpy(MEAN)) / torch.from_numpy(SPREAD)
    return floats.movedim(-1, 1)


def down_and_up(image, side):
    """Return the image as a thumbnail of `side` pixels would show it, at its own size."""
    thumb = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    return cv2.resize(thumb, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def batch_of(images, low, random):
    """Return random parts of the images, mirrored or not; `low` of them scaled down to that side before, or None."""
    parts = []
    for image in images:
        if low is not None and random.random() < 0.5:
            image = down_and_up(image, low)
        y, x = random.integers(0, SIDE - PART + 1, 2)
        parts.append(image[y : y + PART, x : x + PART])
    return normalised(np.stack(parts))


def train(model, images, labels, epochs, rate, low=None, batch=24, device="cpu", seed=0):
    """Train on bytes (n, 224, 224, 3) with a rate that falls to nothing; `low`: the side that inputs may come from."""
    random = np.random.default_rng(seed)
    model.to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    steps = epochs * (len(images) // batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        if step % (len(images) // batch) == 0:
            order = random.permutation(len(images))
        chosen = order[step % (len(images) // batch) * batch :][:batch]
        values = batch_of([images[i] for i in chosen], low, random).to(device)
        loss = nn.functional.cross_entropy(model(values), torch.from_numpy(labels[chosen]).to(device))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
    return loss.item()


@torch.inference_mode()
def predict(model, images, device="cpu"):
    """Return the class of each image of bytes (n, 224, 224, 3)."""
    model.to(device).eval()
    found = [
        model(normalised(part).to(device)).argmax(1).cpu() for part in np.array_split(images, -(-len(images) // 64))
    ]
    return torch.cat(found).numpy()
