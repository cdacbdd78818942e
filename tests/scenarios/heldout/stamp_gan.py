"""A small GAN on drawings of stamps: two networks, two optimizers, and a loader left at its defaults."""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import nn
from torch.utils.data import DataLoader, Dataset

NOISE, SIDE = 48, 48


def draw_stamps(folder, count=256, side=360):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(41)
    for number in range(count):
        stamp = Image.fromarray(rng.integers(180, 255, (side, side, 3), dtype=np.uint8))
        pen = ImageDraw.Draw(stamp)
        for _ in range(6):
            x, y, size = (*rng.integers(0, side - 80, 2).tolist(), int(rng.integers(20, 80)))
            pen.ellipse((x, y, x + size, y + size), fill=tuple(rng.integers(0, 255, 3).tolist()))
        stamp.save(folder / f"stamp{number:04d}.jpg", quality=92)


class Stamps(Dataset):
    def __init__(self, folder):
        self.paths = sorted(folder.glob("stamp*.jpg"))

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, number):
        stamp = Image.open(self.paths[number]).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(stamp)).permute(2, 0, 1).float() / 127.5 - 1


def generator():
    return nn.Sequential(
        nn.ConvTranspose2d(NOISE, 64, 6),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(16, 3, 4, stride=2, padding=1),
        nn.Tanh(),
    )


def discriminator():
    return nn.Sequential(
        nn.Conv2d(3, 16, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(16, 32, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(32, 1, 12),
        nn.Flatten(0),
    )


def train(loader, epochs):
    g, d = generator(), discriminator()
    g_optimizer = torch.optim.Adam(g.parameters(), lr=2e-4, betas=(0.5, 0.999))
    d_optimizer = torch.optim.Adam(d.parameters(), lr=2e-4, betas=(0.5, 0.999))
    bce = nn.BCEWithLogitsLoss()
    for epoch in range(epochs):
        for real in loader:
            ones, zeros = torch.ones(len(real)), torch.zeros(len(real))
            fake = g(torch.randn(len(real), NOISE, 1, 1))

            d_optimizer.zero_grad()
            d_loss = bce(d(real), ones) + bce(d(fake.detach()), zeros)
            d_loss.backward()
            d_optimizer.step()

            g_optimizer.zero_grad()
            g_loss = bce(d(fake), ones)
            g_loss.backward()
            g_optimizer.step()
        print(f"epoch {epoch} d {d_loss.item():.3f} g {g_loss.item():.3f}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "stamp_gan")
    parser.add_argument("--prepare", action="store_true", help="draw the stamps and stop")
    parser.add_argument("--epochs", type=int, default=7)
    args = parser.parse_args()
    if not args.data.exists():
        draw_stamps(args.data)
    if args.prepare:
        return
    torch.set_num_threads(1)
    train(DataLoader(Stamps(args.data), batch_size=16, shuffle=True, drop_last=True), args.epochs)  # <- cause


if __name__ == "__main__":
    main()
