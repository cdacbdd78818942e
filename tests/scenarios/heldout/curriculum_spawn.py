"""A curriculum: each epoch draws harder examples, and a loader with spawned workers is made for each of them."""

import argparse

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Parity(Dataset):
    """Bit strings, labelled by the parity of their first bits."""

    def __init__(self, bits, count=1000, width=64):
        rng = np.random.default_rng(bits)
        self.strings = rng.integers(0, 2, (count, width)).astype(np.float32)
        self.parity = self.strings[:, :bits].sum(1).astype(np.int64) % 2

    def __len__(self):
        return len(self.strings)

    def __getitem__(self, index):
        noisy = self.strings[index] + np.random.normal(0, 0.05, self.strings.shape[1]).astype(np.float32)
        return noisy, self.parity[index]


def epoch_loader(bits):
    return DataLoader(  # <- cause
        Parity(bits),
        batch_size=40,
        shuffle=True,
        num_workers=2,
        multiprocessing_context="spawn",
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", help="not needed: the bit strings are made up in memory")
    parser.add_argument("--hardest", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = nn.Sequential(nn.Linear(64, 512), nn.GELU(), nn.Linear(512, 512), nn.GELU(), nn.Linear(512, 2))
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
    for bits in range(1, args.hardest + 1):
        hits = 0
        for strings, parity in epoch_loader(bits):  # <- cause
            guess = model(strings)
            loss = nn.functional.cross_entropy(guess, parity)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            hits += int((guess.argmax(1) == parity).sum())
        print(f"{bits} bits: {hits / 10:.1f} % right", flush=True)


if __name__ == "__main__":
    main()
