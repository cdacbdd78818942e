"""The planted line is numpy: a sort."""

import numpy as np
import torch
from _truth import Timed, Truth, loader, options, train


class Item:
    def __init__(self, truth):
        self.truth = truth
        self.values = np.random.default_rng(0).standard_normal(120_000)

    def __call__(self, index):
        text = "".join(str(number) for number in range(6_000))
        with self.truth.planted:
            ordered = np.sort(self.values)  # <- planted
        return torch.tensor([float(index), float(ordered[0]) + len(text)])


def main():
    args, truth = options(__doc__), Truth()
    train(args, loader(args, Timed(truth, Item(truth), 1_000_000)))
    truth.tell("worker")


if __name__ == "__main__":
    main()
