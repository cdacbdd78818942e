"""Credit defaults from a table: whole batches are cut from arrays in memory, without workers; nothing to win."""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler

NUMBERS, GROUPS = 24, 6


def write_table(path, rows=20000):
    path.parent.mkdir(parents=True)
    rng = np.random.default_rng(53)
    frame = pd.DataFrame(rng.normal(size=(rows, NUMBERS)).round(3), columns=[f"n{at}" for at in range(NUMBERS)])
    for at in range(GROUPS):
        frame[f"g{at}"] = rng.integers(0, 20, rows)
    frame["default"] = (frame["n0"] + frame["g0"] / 10 > 1.5).astype(int)
    frame.to_csv(path, index=False)


class Customers(Dataset):
    """`index` is a list: all rows of a batch are taken at once."""

    def __init__(self, frame):
        numbers = frame[[f"n{at}" for at in range(NUMBERS)]].to_numpy(np.float32)
        self.numbers = torch.from_numpy((numbers - numbers.mean(0)) / numbers.std(0))
        self.groups = torch.from_numpy(frame[[f"g{at}" for at in range(GROUPS)]].to_numpy(np.int64))
        self.default = torch.from_numpy(frame["default"].to_numpy(np.float32))

    def __len__(self):
        return len(self.default)

    def __getitem__(self, index):
        return self.numbers[index], self.groups[index], self.default[index]


class TabularNet(nn.Module):
    def __init__(self, width=256):
        super().__init__()
        self.embed = nn.ModuleList(nn.Embedding(20, 8) for _ in range(GROUPS))
        self.body = nn.Sequential(nn.Linear(NUMBERS + 8 * GROUPS, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.head = nn.Linear(width, 1)

    def forward(self, numbers, groups):
        parts = [embed(groups[:, at]) for at, embed in enumerate(self.embed)]
        return self.head(self.body(torch.cat([numbers, *parts], 1))).squeeze(1)


@torch.inference_mode()
def evaluate(model, loader):
    model.eval()
    losses = [nn.functional.binary_cross_entropy_with_logits(model(n, g), d).item() for n, g, d in loader]
    model.train()
    return sum(losses) / len(losses)


def batched(dataset, size, shuffle):
    order = RandomSampler(dataset) if shuffle else range(len(dataset))
    return DataLoader(dataset, sampler=BatchSampler(order, size, drop_last=shuffle), batch_size=None)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "credit_table")
    parser.add_argument("--prepare", action="store_true", help="write the table and stop")
    parser.add_argument("--fix", action="store_true", help="one batch for ever and no checks: all that could be won")
    args = parser.parse_args()
    if not args.data.exists():
        write_table(args.data / "customers.csv")
    if args.prepare:
        return
    torch.set_num_threads(1)
    frame = pd.read_csv(args.data / "customers.csv")
    loader = batched(Customers(frame[2000:]), 512, shuffle=True)
    valid_loader = batched(Customers(frame[:2000]), 1000, shuffle=False)
    batches = [next(iter(loader))] * len(loader) if args.fix else loader
    model = TabularNet()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    steps, began = 0, time.perf_counter()
    for epoch in range(6):
        for numbers, groups, default in batches:
            loss = nn.functional.binary_cross_entropy_with_logits(model(numbers, groups), default)
            optimizer.zero_grad()
            loss.backward()
            time.sleep(0.05)  # attention over the columns, on a device
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            steps += 1
        if not args.fix:
            print(f"epoch {epoch}: validation {evaluate(model, valid_loader):.4f}", flush=True)
            torch.save(model.state_dict(), args.data / "last.pt")
    print(f"trained {steps} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
