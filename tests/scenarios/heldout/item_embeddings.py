"""Item embeddings for a shop: a large table is trained row by row, and all of it is saved every 20 steps."""

import argparse
import tempfile
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

ITEMS, WIDTH = 400_000, 64


class Baskets(Dataset):
    def __init__(self, count):
        generator = torch.Generator().manual_seed(8)
        self.pairs = torch.randint(0, ITEMS, (count, 2), generator=generator)

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, index):
        return self.pairs[index]


class Embeddings(nn.Module):
    def __init__(self):
        super().__init__()
        self.items = nn.Embedding(ITEMS, WIDTH, sparse=True)
        self.tower = nn.Sequential(nn.Linear(WIDTH, 900), nn.ReLU(), nn.Linear(900, 900), nn.ReLU(), nn.Linear(900, 64))

    def forward(self, pairs):
        left, right = self.tower(self.items(pairs[:, 0])), self.tower(self.items(pairs[:, 1]))
        return left @ right.T


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "item_embeddings")
    args = parser.parse_args()
    args.data.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    loader = DataLoader(Baskets(64 * 180), batch_size=64, num_workers=1)
    model = Embeddings()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for step, pairs in enumerate(loader, 1):
        loss = nn.functional.cross_entropy(model(pairs), torch.arange(len(pairs)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 20 == 0:
            print(f"step {step} loss {loss.item():.4f}", flush=True)
            torch.save({"step": step, "model": model.state_dict()}, args.data / "latest.pt")  # <- cause
    (args.data / "latest.pt").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
