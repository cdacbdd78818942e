"""A language model on songbooks: an own generator tokenises each batch again, in a thread beside the training."""

import argparse
import queue
import random
import re
import threading
import time

import torch
from torch import nn

TOKEN = re.compile(r"[A-Za-z]+(?:'[a-z]+)?|\d+|[^\w\s]")
CONTEXT = 48


def write_songs(count=160, words=2400):
    rng = random.Random(61)
    syllables = ["la", "mo", "ri", "ven", "so", "tal", "qui", "ne", "dor", "shi"]
    lexicon = ["".join(rng.choices(syllables, k=rng.randint(1, 4))) for _ in range(900)]
    ends = ["", "", "", "", ",", "!", "\n", "'s"]
    return [" ".join(rng.choice(lexicon) + rng.choice(ends) for _ in range(words)) for _ in range(count)]


class Vocabulary:
    def __init__(self, songs, size=800):
        counts = {}
        for song in songs[:20]:
            for token in self.split(song):
                counts[token] = counts.get(token, 0) + 1
        common = sorted(counts, key=counts.get, reverse=True)[: size - 2]
        self.ids = {token: number + 2 for number, token in enumerate(common)}

    @staticmethod
    def split(text):
        tokens = []
        for match in TOKEN.finditer(text):  # <- cause
            token = match.group()  # <- cause
            tokens.append(token.lower() if token.isalpha() else token)  # <- cause
        return tokens

    def encode(self, text):
        return [self.ids.get(token, 1) for token in self.split(text)]  # <- cause


class BackgroundGenerator(threading.Thread):
    """Run a generator in a thread, a few batches ahead."""

    def __init__(self, generator, max_prefetch=2):
        super().__init__(daemon=True)
        self.queue = queue.Queue(max_prefetch)
        self.generator = generator
        self.start()

    def run(self):
        for item in self.generator:
            self.queue.put(item)
        self.queue.put(None)

    def __iter__(self):
        return self

    def __next__(self):
        item = self.queue.get()
        if item is None:
            raise StopIteration
        return item


def batches(songs, vocabulary, size, encoded=None):
    order = random.sample(range(len(songs)), len(songs))
    for start in range(0, len(order), size):
        rows = []
        for number in order[start : start + size]:
            ids = encoded[number] if encoded else vocabulary.encode(songs[number])  # <- cause
            at = random.randrange(len(ids) - CONTEXT - 1)
            rows.append(ids[at : at + CONTEXT + 1])
        block = torch.tensor(rows)
        yield block[:, :-1], block[:, 1:]


class LanguageModel(nn.Module):
    def __init__(self, size=800, width=32):
        super().__init__()
        self.embed = nn.Embedding(size, width)
        self.gru = nn.GRU(width, width, batch_first=True)
        self.out = nn.Linear(width, size)

    def forward(self, ids):
        return self.out(self.gru(self.embed(ids))[0])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", help="not needed: the songs are written in memory")
    parser.add_argument("--fix", action="store_true", help="tokenise the songs once, before the training")
    args = parser.parse_args()
    torch.set_num_threads(1)
    songs = write_songs()
    vocabulary = Vocabulary(songs)
    model = LanguageModel()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    steps, began = 0, time.perf_counter()
    encoded = [vocabulary.encode(song) for song in songs] if args.fix else None
    for epoch in range(12):
        for inputs, targets in BackgroundGenerator(batches(songs, vocabulary, 16, encoded)):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
            loss.backward()
            time.sleep(0.004)  # more layers, on a device
            optimizer.step()
            steps += 1
        print(f"epoch {epoch}: {loss.item():.3f}", flush=True)
    print(f"trained {steps} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
