"""A table whose rows come from a store that takes its time: the loop waits for a tenth of it, by its own clock."""

import argparse
import time

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Readings(Dataset):
    def __init__(self, count, answer_s):
        self.values, self.answer_s = torch.randn(count, 64), answer_s

    def __len__(self):
        return len(self.values)

    def __getitems__(self, indices):
        time.sleep(self.answer_s)
        return [(self.values[index], index % 4) for index in indices]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--answer-ms", type=float, default=6.0, help="what the store takes for a batch")
    parser.add_argument(
        "--share", type=float, default=0.1, help="of the loop that is waited: what is not, is the device's"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = nn.Linear(64, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    waited = worked = 0.0
    asked = time.perf_counter()
    for values, labels in DataLoader(Readings(args.steps * 32, args.answer_ms / 1e3), batch_size=32):
        given = time.perf_counter()
        waited += given - asked
        loss = nn.functional.cross_entropy(model(values), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        # A step that another program made longer is made up for by the next ones.
        device_s = waited * (1 - args.share) / args.share - worked
        time.sleep(max(given + device_s - time.perf_counter(), 0))
        asked = time.perf_counter()
        worked += asked - given
    print(f"waited {waited / (waited + worked):.4f} of the loop")


if __name__ == "__main__":
    main()
