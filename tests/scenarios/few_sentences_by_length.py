"""Sentences grouped anew for every batch, but there are few of them: the step hides that."""

import time

import torch
from _common import Network, options, report
from sentences_by_length import ByLength, Sentences
from torch.utils.data import DataLoader


def main():
    options(__doc__)
    dataset = Sentences(3_000)
    sampler = ByLength(dataset.lengths, size=16, steps=200, once=False)
    loader = DataLoader(dataset, batch_sampler=sampler, num_workers=2)
    model = Network(64, device_ms=25)
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
