"""Pictures found by words in a shop: pictures are learned, words are read by an encoder that does not learn.

The report behind it: https://github.com/fkodom/clip-text-decoder/issues/13, where what the frozen half says is worked
out once; https://github.com/bowang-lab/MedSAM/pull/58, where the same is done while training, and is slower.
"""

import argparse
import random
import tempfile
import time
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

WORDS, LONGEST, SIDE, SIZE = 400, 24, 48, 64
COLOURS = ("red", "green", "blue", "white", "black", "yellow")


class Vocabulary:
    """Numbers of words, in the order in which they were met."""

    def __init__(self):
        self.numbers = {"<pad>": 0}

    def __call__(self, sentence):
        numbers = [self.numbers.setdefault(word, len(self.numbers)) for word in sentence.lower().split()]
        return (numbers + [0] * LONGEST)[:LONGEST]


class FrozenEncoder(nn.Module):
    """A language model as it was downloaded."""

    def __init__(self, width=256, layers=3):
        super().__init__()
        self.words, self.places = nn.Embedding(WORDS, width), nn.Parameter(torch.randn(LONGEST, width) * 0.02)
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, SIZE)
        self.requires_grad_(False).eval()

    def forward(self, tokens):
        states = self.layers(self.words(tokens) + self.places, src_key_padding_mask=tokens == 0)
        return nn.functional.normalize(self.head(states[:, 0]), dim=1)


class Products(Dataset):
    """Pictures of products and what is written beside them."""

    def __init__(self, count, encoder, seed, ahead=False):
        rng = random.Random(seed)
        generator = torch.Generator().manual_seed(seed)
        self.vocabulary, self.encoder = Vocabulary(), encoder
        self.titles, self.pictures = [], torch.empty(count, 3, SIDE, SIDE, dtype=torch.uint8)
        for number in range(count):
            colour = rng.randrange(len(COLOURS))
            things = [f"word{rng.randrange(WORDS - 20)}" for _ in range(rng.randint(8, 20))]
            self.titles.append(" ".join([COLOURS[colour], *things]))
            noise = torch.rand(3, SIDE, SIDE, generator=generator) * 120
            noise[colour % 3] += 60 + 20 * (colour // 3)
            self.pictures[number] = noise.byte()
        for title in self.titles:
            self.vocabulary(title)
        self.known = self.embed_all() if ahead else None

    @torch.no_grad()
    def embed(self, title):
        tokens = torch.tensor([self.vocabulary(title)]).clamp(max=WORDS - 1)
        return self.encoder(tokens)[0]  # <- cause

    @torch.no_grad()
    def embed_all(self, size=64):
        tokens = torch.tensor([self.vocabulary(title) for title in self.titles]).clamp(max=WORDS - 1)
        return torch.cat([self.encoder(part) for part in tokens.split(size)])

    def __len__(self):
        return len(self.titles)

    def __getitem__(self, index):
        picture = self.pictures[index].float() / 255
        top, left = torch.randint(8, (2,)).tolist()
        picture = picture[:, top : top + SIDE - 8, left : left + SIDE - 8]
        words = self.embed(self.titles[index]) if self.known is None else self.known[index]  # <- cause
        return {"picture": picture, "words": words, "index": index}


class PictureEncoder(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, width, 3, stride=2, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
        )
        self.head = nn.Linear(2 * width, SIZE)
        self.temperature = nn.Parameter(torch.tensor(2.0))

    def forward(self, pictures):
        return nn.functional.normalize(self.head(self.body(pictures).flatten(1)), dim=1)


def contrast(model, batch):
    scores = model(batch["picture"]) @ batch["words"].T * model.temperature.exp()
    own = torch.arange(len(scores))
    return (nn.functional.cross_entropy(scores, own) + nn.functional.cross_entropy(scores.T, own)) / 2


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "shop_search")
    parser.add_argument("--prepare", action="store_true", help="nothing to prepare")
    parser.add_argument("--fix", action="store_true", help="read all titles once, before the training")
    args = parser.parse_args()
    if args.prepare:
        return
    torch.set_num_threads(1)
    torch.manual_seed(307)
    encoder = FrozenEncoder()
    began = time.perf_counter()
    dataset = Products(1200, encoder, 311, ahead=args.fix)
    loader = DataLoader(dataset, batch_size=32, shuffle=True, num_workers=2, drop_last=True, persistent_workers=True)
    model = PictureEncoder()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    warm = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 20))
    steps = 0
    for epoch in range(8):
        total = torch.zeros(())
        for batch in loader:
            loss = contrast(model, batch)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            warm.step()
            total += loss.detach()
            steps += 1
        print(f"epoch {epoch}: loss {total.item() / len(loader):.4f}", flush=True)
    print(f"trained {steps} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
