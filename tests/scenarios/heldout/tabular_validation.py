"""A regression on a table, held against a validation set three times as large after every epoch."""

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def table(rows, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, 256, generator=generator)
    return TensorDataset(x, x[:, :8].prod(1, keepdim=True).tanh())


@torch.no_grad()
def validate(model, loader):
    model.eval()
    error = 0.0
    for x, y in loader:  # <- cause
        error += nn.functional.l1_loss(model(x), y).item()
    model.train()
    return error / len(loader)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", help="not needed: the table is made up in memory")
    parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(2)
    train_loader = DataLoader(table(1280, 1), batch_size=64, shuffle=True)
    valid_loader = DataLoader(table(3840, 2), batch_size=64)
    hidden = 1200
    model = nn.Sequential(nn.Linear(256, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    best = float("inf")
    for epoch in range(8):
        for x, y in train_loader:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
        best = min(best, validate(model, valid_loader))  # <- cause
        print(f"epoch {epoch}: best error {best:.4f}", flush=True)


if __name__ == "__main__":
    main()
