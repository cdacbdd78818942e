"""The planted line is in the dataset's constructor: the share is of the time until the first batch."""

import torch
from _truth import PLANTED, WORK, Truth, loader, options, process_age, train
from torch.utils.data import Dataset


class Indexed(Dataset):
    def __init__(self, truth):
        with truth.planted:
            self.index = {str(number): number % 97 for number in range(1_200_000)}  # <- planted

    def __len__(self):
        return 1_000_000

    def __getitem__(self, index):
        return torch.tensor([float(self.index[str(index)])])


def main():
    args, truth = options(__doc__), Truth()
    args.seconds, args.start = min(args.seconds, 3.0), "fork"

    def first(number):
        if number == 1:
            truth.cells[-1, WORK] = process_age()
            truth.cells[-1, WORK + 1] = truth.cells[-1, PLANTED + 1]

    train(args, loader(args, Indexed(truth)), first)
    truth.tell("trainer")


if __name__ == "__main__":
    main()
