"""The planted line is pure Python: a generator expression."""

import numpy as np
import torch
from _truth import Timed, Truth, loader, options, train


class Item:
    def __init__(self, truth):
        self.truth = truth
        self.values = np.random.default_rng(0).standard_normal(60_000)

    def __call__(self, index):
        ordered = np.sort(self.values)
        with self.truth.planted:
            value = sum((number * number) % 7 for number in range(60_000))  # <- planted
        return torch.tensor([float(index), float(value) + float(ordered[0])])


def main():
    args, truth = options(__doc__), Truth()
    train(args, loader(args, Timed(truth, Item(truth), 1_000_000)))
    truth.tell("worker")


if __name__ == "__main__":
    main()
