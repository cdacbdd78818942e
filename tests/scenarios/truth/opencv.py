"""The planted line is OpenCV: a bilateral filter, beside a cheaper blur."""

import cv2
import numpy as np
import torch
from _truth import Timed, Truth, loader, options, train


class Item:
    def __init__(self, truth):
        self.truth = truth
        self.picture = np.random.default_rng(0).integers(0, 255, (300, 300, 3), dtype=np.uint8)

    def __call__(self, index):
        cv2.setNumThreads(1)
        soft = cv2.medianBlur(self.picture, 11)
        with self.truth.planted:
            smooth = cv2.bilateralFilter(self.picture, 9, 75, 75)  # <- planted
        return torch.tensor([float(index), float(smooth[0, 0, 0]) + float(soft[0, 0, 0])])


def main():
    args, truth = options(__doc__), Truth()
    train(args, loader(args, Timed(truth, Item(truth), 1_000_000)))
    truth.tell("worker")


if __name__ == "__main__":
    main()
