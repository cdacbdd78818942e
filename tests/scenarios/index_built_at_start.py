"""A retrieval model that tokenises its whole corpus, line by line, before training starts."""

import collections
import time

import torch
from _common import Network, options, report, sentences
from torch.utils.data import DataLoader, TensorDataset


def count_words(texts, repeats):
    counts = collections.Counter()
    for _ in range(repeats):
        for text in texts:
            for word in text.split():
                counts[word.strip(",.").lower()] += 1  # <- cause
    return counts


def main():
    args = options(__doc__)
    texts = sentences(100, 600)
    counts = count_words(texts, 2 if args.fix else 110)
    top = [word for word, _ in counts.most_common(50)]
    rows = torch.tensor([[text.count(word) for word in top] for text in texts], dtype=torch.float32)
    loader = DataLoader(TensorDataset(rows.repeat(12, 1)), batch_size=12, shuffle=True)
    model = Network(50, device_ms=20)
    optimizer = torch.optim.Adam(model.parameters())
    started, steps = time.perf_counter(), 0
    for (batch,) in loader:
        optimizer.zero_grad()
        model(batch).square().mean().backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
