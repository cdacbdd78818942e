"""A confusion count, kept in Python, over every predicted pixel of every batch."""

import collections
import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, TensorDataset


def confusion_slow(counts, predicted, wanted):
    for row_p, row_w in zip(predicted.tolist(), wanted.tolist(), strict=True):
        for p, w in zip(row_p, row_w, strict=True):
            counts[(p, w)] += 1  # <- cause


def confusion_fast(counts, predicted, wanted):
    pairs = torch.bincount((predicted * 2 + wanted).flatten(), minlength=4).tolist()
    for number, count in enumerate(pairs):
        counts[divmod(number, 2)] += count


def main():
    args = options(__doc__)
    data = TensorDataset(torch.randn(640, 400), torch.randint(0, 2, (640, 4000)))
    loader = DataLoader(data, batch_size=8, num_workers=1)
    model = Network(400, classes=4000, device_ms=0)
    optimizer = torch.optim.Adam(model.parameters())
    counts = collections.Counter()
    count = confusion_fast if args.fix else confusion_slow
    started, steps = time.perf_counter(), 0
    for x, mask in loader:
        scores = model(x)
        time.sleep(0.020)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(scores, mask.float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for _ in range(2):
            count(counts, (scores > 0).long(), mask)
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
