"""A generator stems the words of each text while the training waits for it; the fix has stemmed them before."""

import time

import torch
from _common import Network, options, report, sentences

ENDINGS = ("ation", "ness", "ing", "ed", "er", "s")


def stem(word):
    for ending in ENDINGS:  # <- cause
        if word.endswith(ending) and len(word) > len(ending) + 2:  # <- cause
            return word[: -len(ending)]  # <- cause
    return word  # <- cause


def encode(text):
    counts = [0.0] * 64
    for word in text.split():  # <- cause
        counts[sum(map(ord, stem(word))) % 64] += 1.0  # <- cause
    return torch.tensor(counts)


class Corpus:
    def __init__(self, texts, size, steps, ahead):
        self.texts, self.size, self.steps = texts, size, steps
        self.ready = [encode(text) for text in texts] if ahead else None

    def batches(self):
        for step in range(self.steps):
            picks = [(step * self.size + i) % len(self.texts) for i in range(self.size)]
            yield torch.stack([self.ready[i] if self.ready else encode(self.texts[i]) for i in picks])


def train(corpus):
    model = Network(64, device_ms=12)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started = asked = time.perf_counter()
    waited = 0.0
    for x in corpus.batches():
        waited += time.perf_counter() - asked
        loss = model(x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        asked = time.perf_counter()
    report(corpus.steps, started, waited)


def main():
    args = options(__doc__)
    train(Corpus(sentences(60, 1200), size=12, steps=250, ahead=args.fix))


if __name__ == "__main__":
    main()
