"""Things in streets, pixel by pixel: mosaics of four scenes, polygons drawn as masks, jitter; nothing to win.

The report behind it: https://github.com/NVIDIA/DALI/issues/892, a loader made ten times faster, and a training that is
not, because the network is what takes the time.
"""

import argparse
import json
import random
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageEnhance
from torch import nn
from torch.utils.data import DataLoader, Dataset

SCENE, SIDE, KINDS = 192, 96, 4


def paint(folder, count=60):
    folder.mkdir(parents=True)
    rng = random.Random(313)
    scenes = {}
    for number in range(count):
        image = Image.new("RGB", (SCENE, SCENE), tuple(rng.randrange(60, 120) for _ in range(3)))
        things = []
        for _ in range(rng.randint(4, 9)):
            kind, x, y, size = (
                rng.randrange(1, KINDS),
                rng.randrange(SCENE),
                rng.randrange(SCENE),
                rng.randrange(10, 40),
            )
            polygon = [(x + size * rng.uniform(0.4, 1) * a, y + size * rng.uniform(0.4, 1) * b) for a, b in
                       ((1, 0), (0.7, 0.7), (0, 1), (-0.7, 0.7), (-1, 0), (-0.7, -0.7), (0, -1), (0.7, -0.7))]  # fmt: skip
            ImageDraw.Draw(image).polygon(polygon, fill=tuple(80 * (kind == k + 1) + 120 for k in range(3)))
            things.append({"kind": kind, "polygon": polygon})
        name = f"scene{number:03d}.jpg"
        image.save(folder / name, quality=92)
        scenes[name] = things
    (folder / "things.json").write_text(json.dumps(scenes), encoding="utf-8")


class Streets(Dataset):
    """Scenes with the polygons of their things."""

    def __init__(self, folder):
        self.folder = folder
        self.scenes = list(json.loads((folder / "things.json").read_text(encoding="utf-8")).items())

    def __len__(self):
        return len(self.scenes)

    def __getitem__(self, index):
        name, things = self.scenes[index]
        image = Image.open(self.folder / name).convert("RGB")
        mask = np.zeros((SCENE, SCENE), np.uint8)
        for thing in things:
            one = Image.new("L", (SCENE, SCENE))
            ImageDraw.Draw(one).polygon([tuple(point) for point in thing["polygon"]], fill=1)
            mask[np.asarray(one) > 0] = thing["kind"]
        return image, Image.fromarray(mask)


class Mosaic(Dataset):
    """Four scenes in one, as YOLO does."""

    def __init__(self, scenes):
        self.scenes = scenes

    def __len__(self):
        return len(self.scenes)

    def __getitem__(self, index):
        others = [index, *random.choices(range(len(self.scenes)), k=3)]
        image, mask = Image.new("RGB", (SIDE, SIDE)), Image.new("L", (SIDE, SIDE))
        half = SIDE // 2
        for place, other in enumerate(others):
            part, labels = self.scenes[other]
            corner = (place % 2 * half, place // 2 * half)
            image.paste(part.resize((half, half), Image.Resampling.BICUBIC), corner)
            mask.paste(labels.resize((half, half), Image.Resampling.NEAREST), corner)
        return image, mask


class Augmented(Dataset):
    def __init__(self, pairs):
        self.pairs = pairs

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, index):
        image, mask = self.pairs[index]
        for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
            image = enhance(image).enhance(random.uniform(0.7, 1.3))
        pixels, labels = np.asarray(image), np.asarray(mask)
        if random.random() < 0.5:
            pixels, labels = pixels[:, ::-1], labels[:, ::-1]
        return torch.from_numpy(pixels.copy()).permute(2, 0, 1), torch.from_numpy(labels.copy()).long()


def block(inputs, outputs):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class UNet(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        self.down, self.middle = block(3, width), block(width, 2 * width)
        self.deep, self.back = block(2 * width, 4 * width), block(6 * width, 2 * width)
        self.up, self.head = block(3 * width, width), nn.Conv2d(width, KINDS, 1)
        self.pool, self.grow = nn.MaxPool2d(2), nn.Upsample(scale_factor=2)

    def forward(self, images):
        first = self.down(images)
        second = self.middle(self.pool(first))
        third = self.grow(self.deep(self.pool(second)))
        return self.head(self.up(torch.cat([first, self.grow(self.back(torch.cat([second, third], 1)))], 1)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "street_instances")
    parser.add_argument("--prepare", action="store_true", help="paint the scenes and stop")
    parser.add_argument("--fix", action="store_true", help="one epoch kept for ever: all that could be won")
    args = parser.parse_args()
    if not args.data.exists():
        paint(args.data)
    if args.prepare:
        return
    torch.set_num_threads(1)
    torch.manual_seed(317)
    dataset = Augmented(Mosaic(Streets(args.data)))
    loader = DataLoader(dataset, batch_size=6, shuffle=True, num_workers=2, drop_last=True, persistent_workers=True)
    batches = list(loader) if args.fix else loader
    model = UNet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    steps, began = 0, time.perf_counter()
    for epoch in range(6):
        total = torch.zeros(())
        for images, labels in batches:
            loss = nn.functional.cross_entropy(model(images.float() / 255), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach()
            steps += 1
        print(f"epoch {epoch}: loss {total.item() / len(loader):.4f}", flush=True)
    print(f"trained {steps} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
