"""Fields in aerial photographs: image and mask are decoded whole, augmented by own code, then made small."""

import argparse
import random
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

NETWORK_SIZE = 160


def make_tiles(root, count=48, width=720, height=540):
    (root / "img").mkdir(parents=True)
    (root / "msk").mkdir()
    rng = np.random.default_rng(29)
    for n in range(count):
        small = rng.integers(30, 220, (12, 16, 3), dtype=np.uint8)
        photo = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
        mask = (cv2.resize(small[..., 0], (width, height), interpolation=cv2.INTER_NEAREST) > 128).astype(np.uint8)
        cv2.imwrite(str(root / "img" / f"{n:03d}.jpg"), photo)
        cv2.imwrite(str(root / "msk" / f"{n:03d}.png"), mask)


class FieldAugmentation:
    """Haze, a brightness gradient and sensor noise, drawn anew for each photograph."""

    def __call__(self, photo, mask):
        if random.random() < 0.5:
            photo, mask = photo[:, ::-1], mask[:, ::-1]
        height, width = mask.shape
        picture = photo.astype(np.float32) / 255
        slope = np.linspace(1 - random.random() / 3, 1, width, dtype=np.float32)
        picture = picture * slope[None, :, None]
        picture = picture ** random.uniform(0.7, 1.4)  # <- cause
        picture = picture + np.random.normal(0, 0.03, (height, width, 3)).astype(np.float32)  # <- cause
        return np.clip(picture, 0, 1), mask


class Fields(Dataset):
    def __init__(self, root, augmentation):
        self.photos = sorted((root / "img").glob("*.jpg"))
        self.masks = sorted((root / "msk").glob("*.png"))
        self.augmentation = augmentation

    def __len__(self):
        return len(self.photos)

    def __getitem__(self, n):
        photo = cv2.cvtColor(cv2.imread(str(self.photos[n])), cv2.COLOR_BGR2RGB)
        mask = cv2.imread(str(self.masks[n]), cv2.IMREAD_GRAYSCALE)
        photo, mask = self.augmentation(photo, mask)  # <- cause
        photo = cv2.resize(photo, (NETWORK_SIZE, NETWORK_SIZE), interpolation=cv2.INTER_AREA)
        mask = cv2.resize(np.ascontiguousarray(mask), (NETWORK_SIZE, NETWORK_SIZE), interpolation=cv2.INTER_NEAREST)
        return torch.from_numpy(photo).permute(2, 0, 1), torch.from_numpy(mask).long()


def small_unet():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(16, 8, 2, stride=2),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 2, 2, stride=2),
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "field_segmentation")
    parser.add_argument("--prepare", action="store_true", help="draw the photographs and stop")
    args = parser.parse_args()
    if not args.data.exists():
        make_tiles(args.data)
    if args.prepare:
        return
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    dataset = Fields(args.data, FieldAugmentation())
    loader = DataLoader(dataset, batch_size=4, shuffle=True, num_workers=2, persistent_workers=True)
    model, loss_function = small_unet(), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(6):
        for photos, masks in loader:
            loss = loss_function(model(photos), masks)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        print("epoch", epoch, "loss", round(loss.item(), 4), flush=True)


if __name__ == "__main__":
    main()
