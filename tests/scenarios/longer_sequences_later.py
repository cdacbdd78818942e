"""A curriculum: sequences get longer as the training goes on, by design; the steps grow with them."""

import time

import torch
from _common import options, report
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Curriculum(Dataset):
    def __len__(self):
        return 4800

    def __getitem__(self, index):
        return torch.ones(16 + index // 20, 32)


def main():
    options(__doc__)
    model = nn.Sequential(nn.Linear(32, 256), nn.Tanh(), nn.Linear(256, 256), nn.Tanh(), nn.Linear(256, 32))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    loader = DataLoader(Curriculum(), batch_size=8, num_workers=1, collate_fn=lambda items: torch.cat(items))
    started, steps = time.perf_counter(), 0
    for x in loader:
        for _ in range(3):
            model(x).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
