"""RNA folding: a pairing matrix is filled by a double loop over the sequence in each sample."""

import time

import numpy as np
import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset

PAIRS = {("A", "U"): 2.0, ("U", "A"): 2.0, ("G", "C"): 3.0, ("C", "G"): 3.0, ("G", "U"): 0.8, ("U", "G"): 0.8}
BASES = "ACGU"
TABLE = np.array([[PAIRS.get((a, b), 0.0) for b in BASES] for a in BASES], dtype=np.float32)


def pairing_slow(sequence):
    size = len(sequence)
    matrix = np.zeros((size, size), dtype=np.float32)
    for i in range(size):
        for j in range(size):
            if abs(i - j) > 3:
                matrix[i, j] = PAIRS.get((sequence[i], sequence[j]), 0.0)  # <- cause
    return matrix


def pairing_fast(sequence):
    codes = np.array([BASES.index(base) for base in sequence])
    matrix = TABLE[codes[:, None], codes[None, :]].copy()
    distance = np.abs(np.subtract.outer(np.arange(len(codes)), np.arange(len(codes))))
    matrix[distance <= 3] = 0
    return matrix


class Molecules(Dataset):
    def __init__(self, count, fast):
        random = np.random.default_rng(3)
        self.sequences = ["".join(random.choice(list(BASES), 96)) for _ in range(count)]
        self.pairing = pairing_fast if fast else pairing_slow

    def __len__(self):
        return len(self.sequences)

    def __getitem__(self, index):
        return torch.from_numpy(self.pairing(self.sequences[index])), index % 2


def main():
    args = options(__doc__)
    loader = DataLoader(Molecules(1000, args.fix), batch_size=10, num_workers=2, shuffle=True)
    model = Network(96 * 96, classes=2, device_ms=7)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for matrices, labels in loader:
        loss = torch.nn.functional.cross_entropy(model(matrices), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
