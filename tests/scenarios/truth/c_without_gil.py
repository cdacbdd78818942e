"""The planted line is a C call that releases the interpreter lock: compression."""

import zlib

import numpy as np
import torch
from _truth import Timed, Truth, loader, options, train


class Item:
    def __init__(self, truth):
        self.truth = truth
        self.data = np.random.default_rng(0).integers(0, 9, 160_000, dtype=np.uint8).tobytes()

    def __call__(self, index):
        text = "".join(str(number) for number in range(20_000))
        with self.truth.planted:
            packed = zlib.compress(self.data, 6)  # <- planted
        return torch.tensor([float(index), float(len(packed)) + len(text)])


def main():
    args, truth = options(__doc__), Truth()
    train(args, loader(args, Timed(truth, Item(truth), 1_000_000)))
    truth.tell("worker")


if __name__ == "__main__":
    main()
