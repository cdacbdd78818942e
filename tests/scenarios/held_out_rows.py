"""Training rows come from workers in time; the held-out rows are tokenised by the training process, after each epoch."""

import time

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset


class Rows(Dataset):
    def __init__(self, count, milliseconds):
        self.count, self.milliseconds = count, milliseconds

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        end = time.thread_time() + self.milliseconds / 1000
        while time.thread_time() < end:  # <- cause
            pass
        return torch.full((24,), index / self.count), index % 10


@torch.no_grad()
def right_of(model, loader):
    model.eval()
    right = sum((model(x).argmax(1) == y).sum().item() for x, y in loader)
    model.train()
    return right / len(loader.dataset)


def main():
    args = options(__doc__)
    training = DataLoader(Rows(400, 0.5), batch_size=8, num_workers=1, persistent_workers=True)
    workers = {"num_workers": 2, "persistent_workers": True} if args.fix else {}
    held_out = DataLoader(Rows(240, 4.0), batch_size=8, **workers)  # <- cause
    model = Network(24, device_ms=12)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for _epoch in range(5):
        for x, y in training:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            steps += 1
        right_of(model, held_out)
    report(steps, started)


if __name__ == "__main__":
    main()
