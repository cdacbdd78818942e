"""Stars of reviews: pairs of bytes are merged in plain Python, item by item, but each word only once; nothing to win.

The report behind it: https://github.com/rsennrich/subword-nmt/pull/18, a cache that was already there, and works.
"""

import argparse
import json
import random
import re
import tempfile
import time
from collections import Counter
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

PIECES = re.compile(r"'(?:s|t|re|ve|m|ll|d)| ?[a-z]+| ?[0-9]+| ?[^\sa-z0-9]+|\s+")
STARS, LONGEST, MERGES = 5, 72, 600


def write_reviews(path, count=1600):
    path.parent.mkdir(parents=True)
    rng = random.Random(331)
    letters = "etaoinshrdlucmfw"
    words = ["".join(rng.choices(letters, weights=range(16, 0, -1), k=rng.randint(3, 9))) for _ in range(2500)]
    with open(path, "w", encoding="utf-8") as file:
        for _ in range(count):
            stars = rng.randrange(STARS)
            text = rng.choices(words[stars * 100 :], weights=[1 / (n + 10) for n in range(2500 - stars * 100)], k=50)
            file.write(json.dumps({"text": " ".join(text).capitalize() + "!", "stars": stars}) + "\n")


def merge(symbols, pair):
    merged, place = [], 0
    while place < len(symbols):
        both = tuple(symbols[place : place + 2]) == pair
        merged.append("".join(pair) if both else symbols[place])
        place += 1 + both
    return tuple(merged)


def learn_merges(texts, path, together=20):
    """Count which symbols follow each other in words, and merge the most frequent ones, over and over."""
    words = Counter(piece for text in texts for piece in PIECES.findall(text.lower()))
    split = {word: tuple(word) for word, _ in words.most_common(800)}
    merges = {}
    while len(merges) < MERGES:
        pairs = Counter()
        for word, symbols in split.items():
            for pair in zip(symbols, symbols[1:]):  # noqa: B905
                pairs[pair] += words[word]
        if not pairs:
            break
        for pair, _ in pairs.most_common(together):
            merges[pair] = None
            split = {word: merge(symbols, pair) for word, symbols in split.items()}
    path.write_text(json.dumps(list(merges)), encoding="utf-8")


class PairMerger:
    """Byte pair encoding, with what was learned from some of the texts."""

    def __init__(self, path):
        merges = [tuple(pair) for pair in json.loads(path.read_text(encoding="utf-8"))]
        self.ranks, self.cache = {pair: rank for rank, pair in enumerate(merges)}, {}
        symbols = {*map(chr, range(32, 127)), *("".join(pair) for pair in merges)}
        self.numbers = {symbol: number + 1 for number, symbol in enumerate(sorted(symbols))}

    def word(self, piece):
        if piece not in self.cache:
            symbols = tuple(piece)
            while len(symbols) > 1:
                pairs = zip(symbols, symbols[1:])  # noqa: B905
                best = min(pairs, key=lambda pair: self.ranks.get(pair, len(self.ranks)))
                if best not in self.ranks:
                    break
                symbols = merge(symbols, best)
            self.cache[piece] = [self.numbers.get(symbol, 0) for symbol in symbols]
        return self.cache[piece]

    def __call__(self, text):
        return [number for piece in PIECES.findall(text.lower()) for number in self.word(piece)]


class Reviews(Dataset):
    """Reviews as JSON lines, parsed and tokenised as they are asked for."""

    def __init__(self, path):
        self.lines = path.read_text(encoding="utf-8").splitlines()
        self.tokenise = PairMerger(path.with_name("merges.json"))

    def __len__(self):
        return len(self.lines)

    def __getitem__(self, index):
        review = json.loads(self.lines[index])
        return self.tokenise(review["text"])[:LONGEST], review["stars"]


def pad(reviews):
    texts = [torch.tensor(tokens) for tokens, _ in reviews]
    return nn.utils.rnn.pad_sequence(texts, batch_first=True), torch.tensor([stars for _, stars in reviews])


class StarNet(nn.Module):
    def __init__(self, words, width=128, layers=2):
        super().__init__()
        self.words, self.places = nn.Embedding(words, width, padding_idx=0), nn.Embedding(LONGEST, width)
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.1, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, STARS)

    def forward(self, tokens):
        states = self.words(tokens) + self.places(torch.arange(tokens.shape[1]))
        return self.head(self.layers(states, src_key_padding_mask=tokens == 0).mean(1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "review_stars")
    parser.add_argument("--prepare", action="store_true", help="write the reviews and stop")
    parser.add_argument("--fix", action="store_true", help="one epoch kept for ever: all that could be won")
    args = parser.parse_args()
    path = args.data / "reviews.jsonl"
    if not path.exists():
        write_reviews(path)
    if not path.with_name("merges.json").exists():
        lines = path.read_text(encoding="utf-8").splitlines()[:300]
        learn_merges([json.loads(line)["text"] for line in lines], path.with_name("merges.json"))
    if args.prepare:
        return
    torch.set_num_threads(1)
    torch.manual_seed(337)
    dataset = Reviews(path)
    loader = DataLoader(dataset, 16, shuffle=True, num_workers=1, collate_fn=pad, persistent_workers=True)
    batches = list(loader) if args.fix else loader
    model = StarNet(len(dataset.tokenise.numbers) + 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    steps, began = 0, time.perf_counter()
    for epoch in range(2):
        right = 0
        for tokens, stars in batches:
            scores = model(tokens)
            loss = nn.functional.cross_entropy(scores, stars)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            right += (scores.argmax(1) == stars).sum().item()
            steps += 1
        print(f"epoch {epoch}: {right / len(dataset):.3f} of the stars", flush=True)
    print(f"trained {steps} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
