"""Sentences put together by a budget of words: each epoch has another number of batches, and every sentence once."""

import random
import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset, Sampler


class Sentences(Dataset):
    def __init__(self, count):
        self.lengths = [random.Random(number).randint(4, 60) for number in range(count)]

    def __len__(self):
        return len(self.lengths)

    def __getitem__(self, index):
        words = torch.zeros(60)
        words[: self.lengths[index]] = 1.0
        return words, index % 10


class ByBudget(Sampler):
    def __init__(self, lengths, budget):
        self.lengths, self.budget = lengths, budget

    def __iter__(self):
        order = random.sample(range(len(self.lengths)), len(self.lengths))
        batch, longest = [], 0
        for index in order:
            longest = max(longest, self.lengths[index])
            if batch and longest * (len(batch) + 1) > self.budget:
                yield batch
                batch, longest = [], self.lengths[index]
            batch.append(index)
        yield batch


def main():
    options(__doc__)
    data = Sentences(300)
    loader = DataLoader(data, batch_sampler=ByBudget(data.lengths, 400), num_workers=1, persistent_workers=True)
    model = Network(60, device_ms=30)
    optimizer = torch.optim.Adam(model.parameters())
    started, steps = time.perf_counter(), 0
    for _epoch in range(3):
        for words, labels in loader:
            loss = torch.nn.functional.cross_entropy(model(words), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
