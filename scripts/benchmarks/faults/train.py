"""A small training whose result is the same in each run: what it prints, and its status, are compared with and without.

python train.py [--ranks N] [--take-descriptors]
"""

import argparse
import os
import subprocess
import sys
import time


def train(take_descriptors):
    """Train two epochs; print the loss after each."""
    import torch
    from torch.utils.data import DataLoader, Dataset

    class Rows(Dataset):
        def __len__(self):
            return 160

        def __getitem__(self, index):
            time.sleep(0.001)
            return torch.full((16,), index / 160), index % 4

    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = torch.nn.Linear(16, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = DataLoader(Rows(), batch_size=4, num_workers=0 if take_descriptors else 2)
    for epoch in range(2):
        for number, (rows, labels) in enumerate(loader):
            taken = take_all() if take_descriptors and number in (5, 20) else []
            loss = torch.nn.functional.cross_entropy(model(rows), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            for descriptor in taken:
                os.close(descriptor)
        print(f"epoch {epoch} loss {loss.item():.12f}", flush=True)


def take_all():
    """Open descriptors until there are none left."""
    taken = []
    try:
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return taken


def main():
    """Train, or start the ranks and wait for them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--ranks", type=int)
    parser.add_argument("--take-descriptors", action="store_true")
    options = parser.parse_args()
    if not options.ranks:
        train(options.take_descriptors)
        return 0
    ranks = [
        subprocess.Popen(
            [sys.executable, __file__],
            env={**os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(options.ranks)},
        )
        for rank in range(options.ranks)
    ]
    statuses = [rank.wait() for rank in ranks]
    return 1 if any(statuses) else 0


if __name__ == "__main__":
    sys.exit(main())
