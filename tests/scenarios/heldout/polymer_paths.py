"""Properties of polymers with a graph transformer: ways between all atoms, found as a batch is put together.

The report behind it: https://github.com/microsoft/Graphormer/issues/153, a GPU that is close to idle while all
processors are busy with graphs of 50 to 100 nodes; https://github.com/leffff/graphormer-pyg/pull/35, which makes the
paths once.
"""

import argparse
import random
import tempfile
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

ATOMS, BONDS, FARTHEST = 12, 4, 20


@dataclass
class Polymer:
    atoms: list[int]
    bonds: dict[int, list[tuple[int, int]]]  # neighbours of each atom, with the kind of the bond
    melting: float
    paths: tuple | None = field(default=None, repr=False)


@dataclass
class Batch:
    atoms: torch.Tensor
    degrees: torch.Tensor
    distances: torch.Tensor
    between: torch.Tensor
    padding: torch.Tensor
    melting: torch.Tensor


def polymerise(count, seed):
    """Make trees with a few rings."""
    rng = random.Random(seed)
    polymers = []
    for _ in range(count):
        size = rng.randint(54, 66)
        bonds = {atom: [] for atom in range(size)}
        links = [(atom, rng.randint(max(0, atom - 3), atom - 1)) for atom in range(1, size)]
        links += [tuple(rng.sample(range(size), 2)) for _ in range(4)]
        for one, other in links:
            kind = rng.randrange(BONDS)
            bonds[one].append((other, kind))
            bonds[other].append((one, kind))
        atoms = [rng.randrange(ATOMS) for _ in range(size)]
        rings = sum(len(others) > 2 for others in bonds.values())
        polymers.append(Polymer(atoms, bonds, rings / size + sum(atoms) / size / ATOMS))
    return polymers


def shortest_paths(polymer):
    """Return distances, and how many bonds of each kind lie on a shortest way, for each pair of atoms."""
    size = len(polymer.atoms)
    distances = [[FARTHEST] * size for _ in range(size)]
    between = [[None] * size for _ in range(size)]
    for start in range(size):
        distance, kinds = distances[start], between[start]
        distance[start], kinds[start] = 0, [0] * BONDS
        waiting = deque([start])
        while waiting:
            atom = waiting.popleft()
            for other, kind in polymer.bonds[atom]:  # <- cause
                if kinds[other] is None:  # <- cause
                    distance[other] = min(distance[atom] + 1, FARTHEST)
                    kinds[other] = [n + (k == kind) for k, n in enumerate(kinds[atom])]  # <- cause
                    waiting.append(other)
    return torch.tensor(distances), torch.tensor(between, dtype=torch.float32)  # <- cause


class Polymers(Dataset):
    def __init__(self, count, seed, ahead=False):
        self.polymers = polymerise(count, seed)
        if ahead:
            for polymer in self.polymers:
                polymer.paths = shortest_paths(polymer)

    def __len__(self):
        return len(self.polymers)

    def __getitem__(self, index):
        return self.polymers[index]


class PadGraphs:
    """Put polymers of different size into one batch."""

    def __call__(self, polymers):
        most = max(len(polymer.atoms) for polymer in polymers)
        atoms = torch.zeros(len(polymers), most, dtype=torch.long)
        degrees = torch.zeros(len(polymers), most, dtype=torch.long)
        distances = torch.full((len(polymers), most, most), FARTHEST)
        between = torch.zeros(len(polymers), most, most, BONDS)
        padding = torch.ones(len(polymers), most, dtype=torch.bool)
        for row, polymer in enumerate(polymers):
            size = len(polymer.atoms)
            atoms[row, :size] = torch.tensor(polymer.atoms)
            degrees[row, :size] = torch.tensor([min(len(polymer.bonds[atom]), 7) for atom in range(size)])
            paths = polymer.paths or shortest_paths(polymer)  # <- cause
            distances[row, :size, :size], between[row, :size, :size] = paths
            padding[row, :size] = False
        return Batch(atoms, degrees, distances, between, padding, torch.tensor([p.melting for p in polymers]))


class Graphormer(nn.Module):
    def __init__(self, width=48, heads=4, layers=2):
        super().__init__()
        self.heads = heads
        self.atom, self.degree = nn.Embedding(ATOMS, width), nn.Embedding(8, width)
        self.distance, self.bonds = nn.Embedding(FARTHEST + 1, heads), nn.Linear(BONDS, heads, bias=False)
        layer = nn.TransformerEncoderLayer(width, heads, 2 * width, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, 1)

    def forward(self, batch):
        bias = (self.distance(batch.distances) + self.bonds(batch.between)).permute(0, 3, 1, 2)
        bias = bias.masked_fill(batch.padding[:, None, None], -1e9).flatten(0, 1)
        states = self.layers(self.atom(batch.atoms) + self.degree(batch.degrees), mask=bias)
        kept = (~batch.padding)[..., None]
        return self.head((states * kept).sum(1) / kept.sum(1)).squeeze(1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "polymer_paths")
    parser.add_argument("--prepare", action="store_true", help="nothing to prepare")
    parser.add_argument("--fix", action="store_true", help="find the paths of each polymer once")
    args = parser.parse_args()
    if args.prepare:
        return
    torch.set_num_threads(1)
    torch.manual_seed(257)
    began = time.perf_counter()
    dataset = Polymers(384, 263, ahead=args.fix)
    loader = DataLoader(
        dataset, batch_size=16, shuffle=True, num_workers=2, collate_fn=PadGraphs(), persistent_workers=True
    )
    model = Graphormer()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    steps = 0
    for epoch in range(10):
        total = torch.zeros(())
        for batch in loader:
            loss = nn.functional.l1_loss(model(batch), batch.melting)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach()
            steps += 1
        print(f"epoch {epoch}: off by {total.item() / len(loader):.4f}", flush=True)
    print(f"trained {steps} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
