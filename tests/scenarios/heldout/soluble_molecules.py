"""Solubility from SMILES: a stream of molecules is shared between the workers, after each has worked out all of them.

The report behind it: https://github.com/allenai/ir_datasets/issues/25, which divides an iterable data set between
workers with `itertools.islice`: what is skipped is made all the same.
"""

import argparse
import itertools
import random
import re
import tempfile
import time
import zlib
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

TOKENS = re.compile(r"(\[[^\]]+\]|Br|Cl|Si|N|O|S|P|F|I|b|c|n|o|s|p|C|\(|\)|\.|=|#|-|\+|\\|/|:|~|@|%\d{2}|\d)")
BITS, RADIUS = 1024, 4
PARTS = ("C", "CC", "c1ccccc1", "C(=O)O", "N", "C(N)=O", "Cl", "OC", "C#N", "c1ccncc1", "S(=O)(=O)", "C(F)(F)F", "Br")


def synthesise(path, count=7000):
    """Write made-up molecules with made-up solubilities."""
    path.parent.mkdir(parents=True)
    rng = random.Random(241)
    with open(path, "w", encoding="utf-8") as file:
        for _ in range(count):
            parts = rng.choices(PARTS, k=rng.randint(8, 16))
            polar = sum("O" in part or "N" in part for part in parts) / len(parts)
            file.write(f"{''.join(parts)}\t{polar * 4 - 3 + rng.gauss(0, 0.2):.3f}\n")


def fingerprint(tokens):
    """Return which of BITS are set by the surroundings of each token, from itself to RADIUS on both sides."""
    bits = set()
    for place in range(len(tokens)):
        for radius in range(RADIUS + 1):
            around = "".join(tokens[max(0, place - radius) : place + radius + 1])  # <- cause
            bits.add(zlib.crc32(around.encode()) % BITS)  # <- cause
    return bits


def featurise(line):
    smiles, solubility = line.rstrip("\n").split("\t")
    tokens = TOKENS.findall(smiles)
    vector = torch.zeros(BITS + 3)
    vector[list(fingerprint(tokens))] = 1.0
    rings = sum(token.isdigit() for token in tokens) / 2
    vector[BITS:] = torch.tensor([len(tokens) / 50, rings / 5, tokens.count("=") / 5])
    return vector, float(solubility)


class Molecules(IterableDataset):
    """Stream a file of molecules through a buffer that shuffles them; each worker takes every n-th."""

    def __init__(self, path, buffer=256, lines_first=False):
        self.path, self.buffer, self.lines_first = path, buffer, lines_first

    def lines(self):
        with open(self.path, encoding="utf-8") as file:
            yield from file

    def examples(self, lines):
        for line in lines:
            yield featurise(line)  # <- cause

    def shuffled(self, examples):
        held = []
        for example in examples:
            held.append(example)
            if len(held) >= self.buffer:
                yield held.pop(random.randrange(len(held)))
        random.shuffle(held)
        yield from held

    def __iter__(self):
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        if self.lines_first:
            return self.shuffled(self.examples(itertools.islice(self.lines(), first, None, step)))
        mine = itertools.islice(self.examples(self.lines()), first, None, step)  # <- cause
        return self.shuffled(mine)


class SolubilityNet(nn.Module):
    def __init__(self, width=512):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(BITS + 3, width),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, 1),
        )

    def forward(self, vectors):
        return self.layers(vectors).squeeze(1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "soluble_molecules")
    parser.add_argument("--prepare", action="store_true", help="make the molecules up and stop")
    parser.add_argument("--fix", action="store_true", help="divide the lines, not what was made of them")
    args = parser.parse_args()
    path = args.data / "molecules.smi"
    if not path.exists():
        synthesise(path)
    if args.prepare:
        return
    torch.set_num_threads(1)
    torch.manual_seed(251)
    dataset = Molecules(path, lines_first=args.fix)
    loader = DataLoader(dataset, batch_size=64, num_workers=2, persistent_workers=True)
    model = SolubilityNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.8)
    steps, began = 0, time.perf_counter()
    for epoch in range(8):
        squares = torch.zeros(())
        seen = 0
        for vectors, solubilities in loader:
            loss = nn.functional.mse_loss(model(vectors), solubilities.float())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            squares += loss.detach() * len(vectors)
            seen += len(vectors)
            steps += 1
        scheduler.step()
        print(f"epoch {epoch}: error {(squares / seen).sqrt().item():.3f} of {seen}", flush=True)
    print(f"trained {steps} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
