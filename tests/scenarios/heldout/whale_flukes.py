"""Whales by their flukes: an embedding learns from triplets, which are looked for among all of a batch, one by one.

The report behind it: https://github.com/OML-Team/open-metric-learning/issues/214, a miner that goes through
`itertools.product` and was written anew as masks.
"""

import argparse
import random
import tempfile
import time
from itertools import permutations, product
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler

WHALES, VIEWS, SIDE = 60, 24, 32


class Flukes(Dataset):
    """One drawing for each whale, seen with noise and shifts."""

    def __init__(self, seed=227):
        generator = torch.Generator().manual_seed(seed)
        coarse = torch.rand(WHALES, 1, 8, 8, generator=generator)
        drawings = nn.functional.interpolate(coarse, size=SIDE, mode="bilinear", align_corners=False)
        noise = torch.rand(WHALES * VIEWS, 1, SIDE, SIDE, generator=generator)
        self.images = ((drawings.repeat_interleave(VIEWS, 0) * 0.7 + noise * 0.3) * 255).byte()
        self.whales = torch.arange(WHALES).repeat_interleave(VIEWS)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        shift = random.randint(-3, 3)
        return self.images[index].roll(shift, 2).float() / 255, self.whales[index]


class SomeOfEach(Sampler):
    """Batches of `many` views of each of `whales` whales."""

    def __init__(self, labels, whales, many, batches):
        self.views = {}
        for index, whale in enumerate(labels.tolist()):
            self.views.setdefault(whale, []).append(index)
        self.whales, self.many, self.batches = whales, many, batches

    def __len__(self):
        return self.batches

    def __iter__(self):
        for _ in range(self.batches):
            chosen = random.sample(list(self.views), self.whales)
            yield [index for whale in chosen for index in random.sample(self.views[whale], self.many)]


class SemiHardMiner:
    """Choose triplets whose negative is farther than the positive, but by less than the margin."""

    def __init__(self, margin=0.3, most=512):
        self.margin, self.most = margin, most

    def pairs(self, labels):
        members = {}
        for index, label in enumerate(labels.tolist()):
            members.setdefault(label, []).append(index)
        for label, inside in members.items():
            outside = [index for other, indices in members.items() if other != label for index in indices]
            yield from product(permutations(inside, 2), outside)

    def __call__(self, embeddings, labels):
        distances = torch.cdist(embeddings, embeddings)
        found = []
        for (anchor, positive), negative in self.pairs(labels):
            gap = distances[anchor, negative] - distances[anchor, positive]  # <- cause
            if 0 < gap < self.margin:  # <- cause
                found.append((anchor, positive, negative))
        if len(found) > self.most:
            found = random.sample(found, self.most)
        return torch.tensor(found, dtype=torch.long).reshape(-1, 3)


class MaskedMiner(SemiHardMiner):
    def __call__(self, embeddings, labels):
        distances = torch.cdist(embeddings, embeddings)
        same = labels[:, None] == labels[None]
        gaps = distances[:, None, :] - distances[:, :, None]
        positive = same & ~torch.eye(len(labels), dtype=torch.bool)
        found = (positive[:, :, None] & ~same[:, None, :] & (gaps > 0) & (gaps < self.margin)).nonzero()
        return found[torch.randperm(len(found))[: self.most]]


class Embedder(nn.Module):
    def __init__(self, width=32, size=64):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(4),
            nn.Flatten(1),
            nn.Linear(2 * width * (SIDE // 8) ** 2, size),
        )

    def forward(self, images):
        return nn.functional.normalize(self.body(images), dim=1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "whale_flukes")
    parser.add_argument("--prepare", action="store_true", help="nothing to prepare")
    parser.add_argument("--fix", action="store_true", help="look for triplets with masks")
    args = parser.parse_args()
    if args.prepare:
        return
    torch.set_num_threads(1)
    torch.manual_seed(229)
    random.seed(229)
    dataset = Flukes()
    batches = SomeOfEach(dataset.whales, whales=10, many=4, batches=60)
    loader = DataLoader(dataset, batch_sampler=batches, num_workers=1, persistent_workers=True)
    model, miner = Embedder(), (MaskedMiner if args.fix else SemiHardMiner)()
    loss_of = nn.TripletMarginLoss(margin=miner.margin)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4)
    steps, began = 0, time.perf_counter()
    for epoch in range(4):
        used = 0
        for images, whales in loader:
            embeddings = model(images)
            triplets = miner(embeddings.detach(), whales)
            used += len(triplets)
            steps += 1
            if not len(triplets):
                continue
            anchors, positives, negatives = (embeddings[column] for column in triplets.unbind(1))
            loss = loss_of(anchors, positives, negatives)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: {used / len(loader):.0f} triplets a batch", flush=True)
    print(f"trained {steps} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
