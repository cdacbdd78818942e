"""Organs in CT volumes: patches are cut from memory-mapped arrays and rotated with cubic splines, as they are drawn."""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch import nn
from torch.utils.data import DataLoader, Dataset

PATCH = (48, 48, 32)


def write_cases(folder, cases=8, shape=(96, 96, 56)):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(3)
    for number in range(cases):
        volume = ndimage.zoom(rng.normal(size=[side // 8 for side in shape]), 8, order=1).astype(np.float32)
        np.save(folder / f"case_{number:03d}.npy", np.stack([volume, volume > 0.4]).astype(np.float32))


class Compose:
    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, **sample):
        for transform in self.transforms:
            sample = transform(**sample)
        return sample


class SpatialTransform:
    """Rotate the image with splines of `order`, its segmentation with the nearest voxel."""

    def __init__(self, order, degrees=30):
        self.order = order
        self.degrees = degrees

    def __call__(self, data, seg):
        angle = np.random.uniform(-self.degrees, self.degrees)
        axes = tuple(np.random.permutation(3)[:2])
        data = ndimage.rotate(data, angle, axes, reshape=False, order=self.order)  # <- cause
        seg = ndimage.rotate(seg, angle, axes, reshape=False, order=0)
        return {"data": data, "seg": seg}


class Gamma:
    def __call__(self, data, seg):
        low, span = data.min(), np.ptp(data) + 1e-7
        return {"data": ((data - low) / span) ** np.random.uniform(0.7, 1.5) * span + low, "seg": seg}


class Mirror:
    def __call__(self, data, seg):
        for axis in range(3):
            if np.random.random() < 0.5:
                data, seg = np.flip(data, axis), np.flip(seg, axis)
        return {"data": data, "seg": seg}


class Patches(Dataset):
    def __init__(self, folder, transform, per_epoch):
        self.cases = [np.load(path, mmap_mode="r") for path in sorted(folder.glob("*.npy"))]
        self.transform = transform
        self.per_epoch = per_epoch

    def __len__(self):
        return self.per_epoch

    def __getitem__(self, index):
        case = self.cases[index % len(self.cases)]
        start = [np.random.randint(whole - part + 1) for whole, part in zip(case.shape[1:], PATCH)]
        window = tuple(slice(low, low + part) for low, part in zip(start, PATCH))
        sample = self.transform(data=np.array(case[(0, *window)]), seg=np.array(case[(1, *window)]))  # <- cause
        data, seg = np.ascontiguousarray(sample["data"]), np.ascontiguousarray(sample["seg"])
        return torch.from_numpy(data)[None], torch.from_numpy(seg).long()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "organ_volumes")
    parser.add_argument("--prepare", action="store_true", help="write the volumes and stop")
    parser.add_argument("--fix", action="store_true", help="rotate with linear interpolation")
    args = parser.parse_args()
    if not args.data.exists():
        write_cases(args.data)
    if args.prepare:
        return
    torch.set_num_threads(1)
    augment = Compose([SpatialTransform(order=1 if args.fix else 3), Gamma(), Mirror()])  # <- cause
    dataset = Patches(args.data, augment, per_epoch=120)
    loader = DataLoader(dataset, batch_size=2, shuffle=True, num_workers=2, persistent_workers=True)
    model = nn.Sequential(nn.Conv3d(1, 6, 3, stride=2, padding=1), nn.ReLU(), nn.ConvTranspose3d(6, 2, 2, stride=2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.99, nesterov=True)
    steps, began = 0, time.perf_counter()
    for epoch in range(4):
        running = 0.0
        for data, seg in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(data), seg)
            loss.backward()
            time.sleep(0.004)  # the rest of a network that is on a device
            optimizer.step()
            running += loss.detach()
            steps += 1
        print(f"epoch {epoch} loss {running.item() / len(loader):.4f}", flush=True)
    print(f"trained {steps} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
