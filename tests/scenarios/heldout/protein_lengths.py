"""A language model of proteins that begins with short ones: the sequences get longer as it learns; nothing to win."""

import argparse
import tempfile
import time
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

ACIDS, SHORTEST, LONGEST = 25, 32, 160


def lengths_of(steps):
    """Return the length of the sequences of each step: eight stages from the shortest to the longest."""
    stages = torch.linspace(SHORTEST, LONGEST, 8).round().int().tolist()
    return [stages[step * len(stages) // steps] for step in range(steps)]


class Proteins(Dataset):
    """Pieces of one long sequence; each step has its own length."""

    def __init__(self, steps, batch):
        generator = torch.Generator().manual_seed(139)
        self.acids = torch.randint(ACIDS, (400_000,), generator=generator)
        self.lengths = lengths_of(steps)
        self.batch = batch

    def __len__(self):
        return len(self.lengths) * self.batch

    def __getitem__(self, index):
        length = self.lengths[index // self.batch]
        begin = (index * 7919) % (len(self.acids) - length - 1)
        piece = self.acids[begin : begin + length + 1]
        return piece[:-1].clone(), piece[1:].clone()


class ProteinModel(nn.Module):
    def __init__(self, width=96, layers=2):
        super().__init__()
        self.acids = nn.Embedding(ACIDS, width)
        self.places = nn.Embedding(LONGEST, width)
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, ACIDS)

    def forward(self, acids):
        length = acids.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(length)
        return self.head(self.body(self.acids(acids) + self.places(torch.arange(length)), mask, is_causal=True))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "protein_lengths")
    parser.add_argument("--prepare", action="store_true", help="nothing to prepare")
    parser.add_argument("--fix", action="store_true", help="all batches made before: all that could be won")
    args = parser.parse_args()
    if args.prepare:
        return
    torch.set_num_threads(1)
    torch.manual_seed(149)
    dataset = Proteins(240, batch=16)
    loader = DataLoader(dataset, batch_size=16, num_workers=1)
    batches = list(loader) if args.fix else loader
    model = ProteinModel()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    steps, began, total = 0, time.perf_counter(), 0.0
    for acids, following in batches:
        scores = model(acids)
        loss = nn.functional.cross_entropy(scores.flatten(0, 1), following.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        total += loss.item()
        steps += 1
        if steps % 30 == 0:
            print(f"step {steps}: length {acids.shape[1]}, loss {total / 30:.4f}", flush=True)
            total = 0.0
    print(f"trained {steps} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
