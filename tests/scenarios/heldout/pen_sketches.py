"""Sketches drawn with a pen: a batch holds tensors and the sketches themselves, to show wrong ones later.

The report behind it: https://github.com/pytorch/pytorch/issues/123439, objects in a batch that slow down the loader
with workers; https://github.com/ildoonet/remote-dataloader/issues/1, where pickling takes most of the time.
"""

import argparse
import math
import random
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

THINGS, POINTS = ("cat", "boat", "clock", "house", "tree", "sun"), 400


@dataclass
class Pen:
    x: float
    y: float
    pressure: float
    milliseconds: float
    lifted: bool


@dataclass
class Sketch:
    thing: int
    country: str
    pens: list[Pen] = field(default_factory=list)


@dataclass
class SketchBatch:
    points: torch.Tensor
    lengths: torch.Tensor
    things: torch.Tensor
    sketches: list[Sketch] | list[int]


def draw(rng):
    """Return one sketch: circles, as many as the thing has."""
    thing = rng.randrange(len(THINGS))
    sketch, x, y, now = Sketch(thing, rng.choice(["de", "fr", "jp", "us"])), 0.0, 0.0, 0.0
    length = rng.randint(POINTS // 2, POINTS)
    for number in range(length):
        angle = 2 * math.pi * (thing + 1) * number / length + rng.gauss(0, 0.2)
        x, y, now = x + math.cos(angle), y + math.sin(angle), now + rng.uniform(8, 20)
        sketch.pens.append(Pen(x, y, rng.random(), now, rng.random() < 0.03))
    return sketch


class Sketches(Dataset):
    """Sketches as they came from the tablet, with the tensor of each, that was made once."""

    def __init__(self, count, seed):
        rng = random.Random(seed)
        self.sketches = [draw(rng) for _ in range(count)]
        self.tensors = [self.moves(sketch) for sketch in self.sketches]

    @staticmethod
    def moves(sketch):
        places = torch.tensor([[pen.x, pen.y, pen.milliseconds / 10] for pen in sketch.pens])
        lifted = torch.tensor([float(pen.lifted) for pen in sketch.pens])
        return torch.cat([places.diff(dim=0, prepend=places[:1]), lifted[:, None]], 1)

    def __len__(self):
        return len(self.sketches)

    def __getitem__(self, index):
        return index, self.tensors[index], self.sketches[index]


class Collate:
    def __init__(self, numbers_only):
        self.numbers_only = numbers_only

    def __call__(self, samples):
        numbers, points, sketches = zip(*samples, strict=True)
        padded = nn.utils.rnn.pad_sequence(points, batch_first=True)
        lengths = torch.tensor([len(point) for point in points])
        things = torch.tensor([sketch.thing for sketch in sketches])
        return SketchBatch(padded, lengths, things, list(numbers if self.numbers_only else sketches))  # <- cause


class SketchNet(nn.Module):
    def __init__(self, width=64):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(4, width, 9, stride=4), nn.ReLU(), nn.Conv1d(width, width, 5, stride=2), nn.ReLU()
        )
        self.head = nn.Linear(2 * width, len(THINGS))

    def forward(self, batch):
        states = self.body(batch.points.transpose(1, 2))
        return self.head(torch.cat([states.mean(2), states.amax(2)], 1))


class WrongOnes:
    """Keep the sketches that were most surely taken for something else."""

    def __init__(self, dataset, most=16):
        self.dataset, self.most, self.kept = dataset, most, []

    def look(self, batch, scores):
        sure, guess = scores.detach().softmax(1).max(1)
        for row in (guess != batch.things).nonzero().flatten().tolist():
            sketch = batch.sketches[row]
            self.kept.append(
                (sure[row].item(), sketch if isinstance(sketch, Sketch) else self.dataset.sketches[sketch])
            )
        self.kept = sorted(self.kept, key=lambda one: -one[0])[: self.most]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "pen_sketches")
    parser.add_argument("--prepare", action="store_true", help="nothing to prepare")
    parser.add_argument("--fix", action="store_true", help="send the numbers of the sketches alone")
    args = parser.parse_args()
    if args.prepare:
        return
    torch.set_num_threads(1)
    torch.manual_seed(283)
    dataset = Sketches(1536, 293)
    loader = DataLoader(
        dataset, batch_size=64, shuffle=True, num_workers=2, collate_fn=Collate(args.fix), persistent_workers=True
    )
    model, wrong = SketchNet(), WrongOnes(dataset)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    steps, began = 0, time.perf_counter()
    for epoch in range(8):
        total = torch.zeros(())
        for batch in loader:
            scores = model(batch)
            loss = nn.functional.cross_entropy(scores, batch.things)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            wrong.look(batch, scores)
            total += loss.detach()
            steps += 1
        seen = ", ".join(THINGS[sketch.thing] for _, sketch in wrong.kept[:3])
        print(f"epoch {epoch}: loss {total.item() / len(loader):.4f}, surely wrong: {seen}", flush=True)
        wrong.kept.clear()
    print(f"trained {steps} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
