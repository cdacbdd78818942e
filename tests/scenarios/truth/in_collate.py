"""The planted line is in the collate function: pure Python over a batch."""

import numpy as np
import torch
from _truth import Timed, Truth, loader, options, train


class Item:
    def __init__(self):
        self.values = np.random.default_rng(0).standard_normal(200_000)

    def __call__(self, index):
        return float(np.sort(self.values)[0]) + index


class Collate:
    def __init__(self, truth):
        self.truth = truth

    def __call__(self, samples):
        with self.truth.work, self.truth.planted:
            text = ",".join(str(number) for number in range(150_000))  # <- planted
        return torch.tensor([*samples, float(len(text))])


def main():
    args, truth = options(__doc__), Truth()
    train(args, loader(args, Timed(truth, Item(), 1_000_000), collate_fn=Collate(truth)))
    truth.tell("worker")


if __name__ == "__main__":
    main()
