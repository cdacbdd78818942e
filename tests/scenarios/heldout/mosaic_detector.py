"""A one-stage detector: each training image is a mosaic of four, all read from their files each time."""

import argparse
import random
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

IMAGE_SIZE = 256


def make_images(root, count=120):
    (root / "images").mkdir(parents=True)
    (root / "labels").mkdir()
    rng = np.random.default_rng(5)
    for n in range(count):
        coarse = rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)
        photo = cv2.resize(coarse, (IMAGE_SIZE, IMAGE_SIZE * 3 // 4), interpolation=cv2.INTER_LINEAR)
        photo = np.clip(photo + rng.normal(0, 12, photo.shape), 0, 255).astype(np.uint8)
        cv2.imwrite(str(root / "images" / f"{n:06d}.png"), photo)
        rows = [[rng.integers(3), *rng.uniform(0.2, 0.8, 2), *rng.uniform(0.05, 0.3, 2)] for _ in range(n % 5 + 1)]
        np.savetxt(root / "labels" / f"{n:06d}.txt", np.array(rows))


class LoadImagesAndLabels(Dataset):
    def __init__(self, root, cache_images=False):
        self.img_files = sorted(str(path) for path in (root / "images").glob("*.png"))
        self.labels = [np.loadtxt(path, ndmin=2) for path in sorted((root / "labels").glob("*.txt"))]
        self.imgs = [None] * len(self.img_files)
        self.mosaic_border = -IMAGE_SIZE // 2
        if cache_images:
            for n in range(len(self.imgs)):
                self.imgs[n] = self.load_image(n)

    def __len__(self):
        return len(self.img_files)

    def load_image(self, index):
        img = self.imgs[index]
        if img is None:
            img = cv2.imread(self.img_files[index])  # <- cause
            ratio = IMAGE_SIZE / max(img.shape[:2])
            if ratio != 1:
                img = cv2.resize(img, None, fx=ratio, fy=ratio)
        return img

    def load_mosaic(self, index):
        s = IMAGE_SIZE
        yc, xc = (int(random.uniform(-self.mosaic_border, 2 * s + self.mosaic_border)) for _ in range(2))
        img4 = np.full((s * 2, s * 2, 3), 114, dtype=np.uint8)
        labels4 = []
        for i, n in enumerate([index, *random.choices(range(len(self.img_files)), k=3)]):
            img = self.load_image(n)
            h, w = img.shape[:2]
            x1a, y1a = (max(xc - w, 0) if i % 2 == 0 else xc), (max(yc - h, 0) if i < 2 else yc)
            x2a, y2a = (xc if i % 2 == 0 else min(xc + w, 2 * s)), (yc if i < 2 else min(yc + h, 2 * s))
            x1b, y1b = (w - (x2a - x1a) if i % 2 == 0 else 0), (h - (y2a - y1a) if i < 2 else 0)
            img4[y1a:y2a, x1a:x2a] = img[y1b : y1b + y2a - y1a, x1b : x1b + x2a - x1a]
            labels = self.labels[n].copy()
            labels[:, 1:] = labels[:, 1:] * [w, h, w, h] + [x1a - x1b, y1a - y1b, 0, 0]
            labels4.append(labels)
        return img4, np.concatenate(labels4)

    def random_affine(self, img, targets):
        scale, angle = random.uniform(0.9, 1.1), random.uniform(-5, 5)
        matrix = cv2.getRotationMatrix2D((IMAGE_SIZE, IMAGE_SIZE), angle, scale)
        matrix[:, 2] += self.mosaic_border
        img = cv2.warpAffine(img, matrix, (IMAGE_SIZE, IMAGE_SIZE), borderValue=(114, 114, 114))
        targets[:, 1:3] = targets[:, 1:3] @ matrix[:, :2].T + matrix[:, 2]
        inside = ((targets[:, 1:3] > 0) & (targets[:, 1:3] < IMAGE_SIZE)).all(1)
        return img, targets[inside]

    def __getitem__(self, index):
        img, labels = self.random_affine(*self.load_mosaic(index))
        img = np.ascontiguousarray(img[:, :, ::-1].transpose(2, 0, 1))
        return torch.from_numpy(img), torch.from_numpy(labels).float()

    @staticmethod
    def collate_fn(batch):
        imgs, labels = zip(*batch)
        indexed = [torch.cat([torch.full((len(t), 1), float(n)), t], 1) for n, t in enumerate(labels)]
        return torch.stack(imgs), torch.cat(indexed)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "mosaic_detector")
    parser.add_argument("--prepare", action="store_true", help="draw the images and stop")
    parser.add_argument("--fix", action="store_true", help="keep the decoded images in memory")
    args = parser.parse_args()
    if not args.data.exists():
        make_images(args.data)
    if args.prepare:
        return
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    dataset = LoadImagesAndLabels(args.data, cache_images=args.fix)
    loader = DataLoader(
        dataset,
        batch_size=8,
        shuffle=True,
        num_workers=2,
        persistent_workers=True,
        collate_fn=LoadImagesAndLabels.collate_fn,
    )
    model = nn.Sequential(nn.Conv2d(3, 8, 3, stride=4, padding=1), nn.SiLU(), nn.Conv2d(8, 8, 3, stride=4, padding=1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
    steps, began = 0, time.perf_counter()
    for epoch in range(14):
        for imgs, targets in loader:
            pred = model(imgs.float() / 255)
            loss = pred[:, 4].sigmoid().mean() + (pred[targets[:, 0].long(), 5:].mean((2, 3)) ** 2).mean()
            loss.backward()
            time.sleep(0.006)  # backbone and head on a device
            optimizer.step()
            optimizer.zero_grad()
            steps += 1
        print(f"{epoch:3d}/14 loss {loss.item():.4f}", flush=True)
    print(f"trained {steps} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
