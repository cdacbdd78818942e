"""The planted line uses no CPU: it waits for an answer."""

import time

import numpy as np
import torch
from _truth import Timed, Truth, loader, options, train


class Item:
    def __init__(self, truth):
        self.truth = truth
        self.values = np.random.default_rng(0).standard_normal(200_000)

    def __call__(self, index):
        ordered = np.sort(self.values)
        with self.truth.planted:
            time.sleep(0.012)  # <- planted
        return torch.tensor([float(index), float(ordered[0])])


def main():
    args, truth = options(__doc__), Truth()
    train(args, loader(args, Timed(truth, Item(truth), 1_000_000)))
    truth.tell("worker")


if __name__ == "__main__":
    main()
