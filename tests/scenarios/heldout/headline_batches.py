"""Headlines by section: the training counts steps, not epochs, and takes each batch with `next(iter(loader))`."""

import argparse
import random
import tempfile
import time
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

LENGTH = 24
SECTIONS = ("world", "sport", "business", "science")


def print_headlines(path, count=12000):
    path.parent.mkdir(parents=True)
    rng = random.Random(61)
    words = [f"word{number}" for number in range(3000)]
    with open(path, "w", encoding="utf-8") as file:
        for _ in range(count):
            section = rng.choice(SECTIONS)
            file.write(f"{section}\t{' '.join([section, *rng.choices(words, k=rng.randrange(6, 20))])}\n")


class Headlines(Dataset):
    """Read and number the words of all headlines when the data set is made."""

    def __init__(self, path):
        self.vocabulary = {"<pad>": 0}
        rows, labels = [], []
        for line in path.read_text(encoding="utf-8").splitlines():
            section, headline = line.split("\t")
            ids = [self.vocabulary.setdefault(word, len(self.vocabulary)) for word in headline.split()][:LENGTH]
            rows.append(ids + [0] * (LENGTH - len(ids)))
            labels.append(SECTIONS.index(section))
        self.rows = torch.tensor(rows)
        self.labels = torch.tensor(labels)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.rows[index], self.labels[index]


class FastText(nn.Module):
    def __init__(self, words, width=128):
        super().__init__()
        self.embed = nn.EmbeddingBag(words, width, padding_idx=0)
        self.head = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, len(SECTIONS)))

    def forward(self, rows):
        return self.head(self.embed(rows))


def endless(loader):
    while True:
        yield from loader


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "headline_batches")
    parser.add_argument("--prepare", action="store_true", help="print the headlines and stop")
    parser.add_argument("--fix", action="store_true", help="make one iterator and keep it")
    args = parser.parse_args()
    path = args.data / "headlines.tsv"
    if not path.exists():
        print_headlines(path)
    if args.prepare:
        return
    torch.set_num_threads(1)
    torch.manual_seed(67)
    dataset = Headlines(path)
    loader = DataLoader(dataset, batch_size=32, shuffle=True, num_workers=2, drop_last=True)  # <- cause
    batches = endless(loader)
    model = FastText(len(dataset.vocabulary))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    began, total, iterations = time.perf_counter(), 0.0, 150
    for iteration in range(1, iterations + 1):
        rows, labels = next(batches) if args.fix else next(iter(loader))  # <- cause
        loss = nn.functional.cross_entropy(model(rows), labels)
        optimizer.zero_grad()
        loss.backward()
        time.sleep(0.02)  # a transformer, on a device
        optimizer.step()
        total += loss.detach()
        if iteration % 25 == 0:
            print(f"iteration {iteration}: loss {total.item() / 25:.4f}", flush=True)
            total = 0.0
    print(f"trained {iterations} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
