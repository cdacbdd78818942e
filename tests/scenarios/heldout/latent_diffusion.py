"""A small latent diffusion: latents from .npz files in memory, and an average of the weights that is slow to keep."""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


def encode_latents(folder, shards=4, per_shard=160):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(67)
    for number in range(shards):
        latents = rng.normal(size=(per_shard, 4, 8, 8)).astype(np.float16)
        np.savez(folder / f"latents_{number:05d}.npz", latents=latents, labels=rng.integers(0, 10, per_shard))


class LatentDataset(Dataset):
    def __init__(self, folder):
        shards = [np.load(path) for path in sorted(folder.glob("*.npz"))]
        self.latents = torch.from_numpy(np.concatenate([shard["latents"] for shard in shards]))
        self.labels = torch.from_numpy(np.concatenate([shard["labels"] for shard in shards]))

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.latents[index].float() * 0.18215, self.labels[index]


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.modulation = nn.Linear(width, 2 * width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x, condition):
        shift, scale = self.modulation(condition).chunk(2, 1)
        return x + self.down(torch.nn.functional.silu(self.up(self.norm(x) * (1 + scale) + shift)))


class Denoiser(nn.Module):
    def __init__(self, width=48, depth=20):
        super().__init__()
        self.label, self.step = nn.Embedding(10, width), nn.Embedding(1000, width)
        self.input, self.output = nn.Linear(256, width), nn.Linear(width, 256)
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))

    def forward(self, latents, step, labels):
        x, condition = self.input(latents.flatten(1)), self.label(labels) + self.step(step)
        for block in self.blocks:
            x = block(x, condition)
        return self.output(x).view_as(latents)


class EMA:
    def __init__(self, model, decay, once):
        self.model, self.decay, self.once = model, decay, once
        self.shadow = {name: value.clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self):
        current = self.model.state_dict() if self.once else None
        for name in self.shadow:
            value = current[name] if self.once else self.model.state_dict()[name]  # <- cause
            self.shadow[name] = self.decay * self.shadow[name] + (1 - self.decay) * value


class DiffusionTrainer:
    def __init__(self, loader, once):
        self.loader = loader
        self.model = Denoiser()
        self.ema = EMA(self.model, 0.9999, once)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4)
        self.kept = torch.linspace(0.9999, 0.98, 1000).cumprod(0)

    def train_step(self, latents, labels):
        step = torch.randint(0, 1000, (len(latents),))
        noise = torch.randn_like(latents)
        kept = self.kept[step].view(-1, 1, 1, 1)
        predicted = self.model(kept.sqrt() * latents + (1 - kept).sqrt() * noise, step, labels)
        loss = torch.nn.functional.mse_loss(predicted, noise)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        time.sleep(0.010)  # the other hundreds of millions of weights, on a device
        self.optimizer.step()
        self.ema.update()  # <- cause
        return loss.detach()

    def fit(self, epochs):
        steps = 0
        for epoch in range(epochs):
            losses = []
            for latents, labels in self.loader:
                losses.append(self.train_step(latents, labels))
                steps += 1
            print(f"epoch {epoch} loss {torch.stack(losses).mean():.4f}", flush=True)
        return steps


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "latent_diffusion")
    parser.add_argument("--prepare", action="store_true", help="write the latents and stop")
    parser.add_argument("--fix", action="store_true", help="ask for the state dict once per update")
    args = parser.parse_args()
    if not args.data.exists():
        encode_latents(args.data)
    if args.prepare:
        return
    torch.set_num_threads(1)
    loader = DataLoader(
        LatentDataset(args.data), batch_size=32, shuffle=True, num_workers=1, drop_last=True, persistent_workers=True
    )
    trainer, began = DiffusionTrainer(loader, once=args.fix), time.perf_counter()
    steps = trainer.fit(epochs=5)
    print(f"trained {steps} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
