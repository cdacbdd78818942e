"""A deep network that removes noise, whose blocks are computed again in backward to save memory; nothing to win."""

import argparse
import tempfile
import time
from pathlib import Path

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, Dataset

SIDE = 32


class Noisy(Dataset):
    """Smooth pictures in memory, with new noise at each visit."""

    def __init__(self, count, seed):
        generator = torch.Generator().manual_seed(seed)
        coarse = torch.rand(count, 1, 5, 5, generator=generator)
        self.clean = nn.functional.interpolate(coarse, size=(SIDE, SIDE), mode="bicubic")

    def __len__(self):
        return len(self.clean)

    def __getitem__(self, index):
        clean = self.clean[index]
        return clean + 0.2 * torch.randn_like(clean), clean


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.GroupNorm(4, width), nn.SiLU(), nn.Conv2d(width, width, 1)
        )

    def forward(self, features):
        return features + self.body(features)


class Denoiser(nn.Module):
    def __init__(self, width=24, depth=6):
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.head = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, noisy):
        features = self.stem(noisy)
        for block in self.blocks:
            features = checkpoint(block, features, use_reentrant=False)
        return noisy - self.head(features)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "deep_denoiser")
    parser.add_argument("--prepare", action="store_true", help="nothing to prepare")
    parser.add_argument("--fix", action="store_true", help="one batch for ever: all that could be won")
    args = parser.parse_args()
    if args.prepare:
        return
    torch.set_num_threads(1)
    torch.manual_seed(163)
    loader = DataLoader(Noisy(1200, 167), batch_size=12, shuffle=True)
    batches = [next(iter(loader))] * len(loader) if args.fix else loader
    model = Denoiser()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    steps, began = 0, time.perf_counter()
    for epoch in range(1):
        total = 0.0
        for noisy, clean in batches:
            loss = nn.functional.mse_loss(model(noisy), clean)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
            steps += 1
        print(f"epoch {epoch}: loss {total / len(loader):.5f}", flush=True)
    print(f"trained {steps} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
