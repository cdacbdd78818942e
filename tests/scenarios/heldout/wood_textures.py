"""Kinds of wood without labels: after each epoch the pictures are sorted into clusters anew; nothing to win.

The report behind it: https://github.com/facebookresearch/deepcluster/issues/11, which asks what the clustering of each
epoch costs: little, beside the network (issue 31 of the same has the times).
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

SIDE, CLUSTERS, SIZE = 40, 12, 64


def saw(count, seed=347):
    """Return pictures with grain in some direction and width."""
    generator = torch.Generator().manual_seed(seed)
    row, column = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    kinds = torch.randint(CLUSTERS, (count,), generator=generator)
    angles = (kinds % 4).float() * 0.8 + torch.rand(count, generator=generator) * 0.2
    widths = 0.4 + 0.35 * (kinds // 4).float()
    along = row * angles.cos()[:, None, None] + column * angles.sin()[:, None, None]
    grain = (along * widths[:, None, None]).sin() * 0.3 + 0.5
    noise = torch.rand(count, 3, SIDE, SIDE, generator=generator) * 0.2
    return (grain[:, None] * torch.tensor([0.9, 0.6, 0.4])[None, :, None, None] + noise).clamp(0, 1)


class Pictures:
    """Batches cut from memory, with what each picture counts as at the moment."""

    def __init__(self, pictures, size):
        self.pictures, self.size = pictures, size
        self.labels = torch.randint(CLUSTERS, (len(pictures),))

    def __len__(self):
        return len(self.pictures) // self.size

    def __iter__(self):
        order = torch.randperm(len(self.pictures))
        for chosen in order[: len(self) * self.size].split(self.size):
            pictures = self.pictures[chosen]
            yield chosen, pictures.flip(3) if torch.rand(()) < 0.5 else pictures, self.labels[chosen]


class WoodNet(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, SIZE, 3, padding=1),
            nn.BatchNorm2d(SIZE),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(1),
        )
        self.head = nn.Linear(SIZE, CLUSTERS)

    def forward(self, pictures):
        features = self.body(pictures)
        return features, self.head(features)


def whiten(features):
    centred = features - features.mean(0)
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
    return nn.functional.normalize(centred @ vectors[:, -24:] / values[-24:].clamp(min=1e-8).sqrt(), dim=1)


def k_means(points, clusters, rounds=15):
    """Return to which cluster each point belongs; a cluster that lost all of its points begins anew."""
    centres = points[torch.randperm(len(points))[:clusters]]
    for _ in range(rounds):
        nearest = torch.cdist(points, centres).argmin(1)
        for cluster in range(clusters):
            inside = points[nearest == cluster]
            centres[cluster] = inside.mean(0) if len(inside) else points[torch.randint(len(points), ())]
    return nearest


def agreement(old, new):
    """Return how often two pictures that were together still are."""
    pairs = torch.randint(len(old), (2, 2000))
    together = old[pairs[0]] == old[pairs[1]]
    return (together == (new[pairs[0]] == new[pairs[1]])).float().mean().item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "wood_textures")
    parser.add_argument("--prepare", action="store_true", help="nothing to prepare")
    parser.add_argument("--fix", action="store_true", help="never sort anew nor save: all that could be won")
    args = parser.parse_args()
    if args.prepare:
        return
    args.data.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(349)
    data = Pictures(saw(1280), 32)
    model = WoodNet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    features = torch.zeros(len(data.pictures), SIZE)
    steps, aside, began = 0, 0.0, time.perf_counter()
    for epoch in range(6):
        total = 0.0
        for chosen, pictures, labels in data:
            found, scores = model(pictures)
            loss = nn.functional.cross_entropy(scores, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            features[chosen] = found.detach()
            total += loss.item()
            steps += 1
        if args.fix:
            continue
        paused = time.perf_counter()
        labels = k_means(whiten(features), CLUSTERS)
        same = agreement(data.labels, labels)
        data.labels = labels
        nn.init.normal_(model.head.weight, std=0.01)
        torch.save({"model": model.state_dict(), "labels": labels}, args.data / "last.pt")
        aside += time.perf_counter() - paused
        print(f"epoch {epoch}: loss {total / len(data):.4f}, {same:.3f} as before", flush=True)
    print(f"trained {steps} steps in {time.perf_counter() - began:.2f} s, {aside:.2f} s to sort and save", flush=True)


if __name__ == "__main__":
    main()
