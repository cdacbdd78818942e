"""The planted line is a C call that holds the interpreter lock: parsing JSON."""

import json

import numpy as np
import torch
from _truth import Timed, Truth, loader, options, train


class Item:
    def __init__(self, truth):
        self.truth = truth
        self.text = json.dumps([{"id": number, "name": str(number)} for number in range(9_000)])
        self.values = np.random.default_rng(0).standard_normal(50_000)

    def __call__(self, index):
        ordered = np.sort(self.values)
        with self.truth.planted:
            parsed = json.loads(self.text)  # <- planted
        return torch.tensor([float(index), float(ordered[0]) + len(parsed)])


def main():
    args, truth = options(__doc__), Truth()
    train(args, loader(args, Timed(truth, Item(truth), 1_000_000)))
    truth.tell("worker")


if __name__ == "__main__":
    main()
