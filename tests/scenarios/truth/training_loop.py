"""The planted line is in the training loop: histograms after each step."""

import time

import numpy as np
import torch
from _truth import Truth, loader, options, until


def main():
    args, truth = options(__doc__), Truth()
    torch.set_num_threads(1)
    model = torch.nn.Linear(8, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    values = np.random.default_rng(0).standard_normal(400_000)
    for batch in until(args.seconds, loader(args, [torch.ones(8)] * 1_000_000)):
        with truth.work:
            loss = model(batch).square().mean()
            time.sleep(0.003)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            ordered = np.sort(values[:10_000])
            with truth.planted:
                histogram = np.histogram(values, bins=256)  # <- planted
            assert histogram[0].sum() and ordered.size
    truth.tell("trainer")


if __name__ == "__main__":
    main()
