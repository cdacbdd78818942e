"""The planted line is pandas: a filter over a whole table for each item."""

import numpy as np
import pandas as pd
import torch
from _truth import Timed, Truth, loader, options, train


class Item:
    def __init__(self, truth):
        self.truth = truth
        random = np.random.default_rng(0)
        self.table = pd.DataFrame(
            {"key": random.integers(0, 500, 400_000).astype(str), "value": random.random(400_000)}
        )

    def __call__(self, index):
        text = "".join(str(number) for number in range(40_000))
        with self.truth.planted:
            rows = self.table[self.table["key"] == str(index % 500)]  # <- planted
        return torch.tensor([float(index), float(rows["value"].iloc[0]) + len(text)])


def main():
    args, truth = options(__doc__), Truth()
    train(args, loader(args, Timed(truth, Item(truth), 1_000_000)))
    truth.tell("worker")


if __name__ == "__main__":
    main()
