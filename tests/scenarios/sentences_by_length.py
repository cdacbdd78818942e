"""Batches of sentences of about one length, put together by a batch sampler of the script's own."""

import random
import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset, Sampler


class Sentences(Dataset):
    def __init__(self, count):
        draw = random.Random(3)
        self.lengths = [draw.randint(5, 60) for _ in range(count)]
        self.tokens = torch.randint(0, 1000, (count, 64))

    def __len__(self):
        return len(self.lengths)

    def __getitem__(self, number):
        return self.tokens[number].float(), number % 10


class ByLength(Sampler):
    """Hand out batches whose sentences differ little in length."""

    def __init__(self, lengths, size, steps, once):
        self.lengths, self.size, self.steps = lengths, size, steps
        self.buckets = self.group(range(len(lengths))) if once else None

    def __len__(self):
        return self.steps

    def group(self, numbers):
        buckets = {}
        for number in numbers:  # <- cause
            buckets.setdefault(self.lengths[number] // 4, []).append(number)  # <- cause
        return [bucket for bucket in buckets.values() if len(bucket) >= self.size]

    def __iter__(self):
        for _ in range(self.steps):
            buckets = self.buckets or self.group(range(len(self.lengths)))  # <- cause
            yield random.sample(random.choice(buckets), self.size)


def main():
    args = options(__doc__)
    dataset = Sentences(120_000)
    sampler = ByLength(dataset.lengths, size=16, steps=200, once=args.fix)
    loader = DataLoader(dataset, batch_sampler=sampler, num_workers=2)
    model = Network(64, device_ms=10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for tokens, labels in loader:
        loss = torch.nn.functional.cross_entropy(model(tokens), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
