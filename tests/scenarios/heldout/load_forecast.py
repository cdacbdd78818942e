"""Forecasts of electric load: an endless loader, accumulated gradients, checks and checkpoints; nothing to win."""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

PAST, AHEAD = 96, 24


def measure_load(path, meters=12, hours=900):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(83)
    day = np.sin(np.arange(hours) * 2 * np.pi / 24)
    series = [2 + day * rng.uniform(0.3, 1) + rng.normal(0, 0.1, hours) for _ in range(meters)]
    frame = pd.DataFrame({"meter": np.repeat(np.arange(meters), hours), "kw": np.concatenate(series)})
    frame.to_csv(path, index=False)


class LoadWindows(Dataset):
    """Cut the windows of every meter once, when the data set is made."""

    def __init__(self, frame, meters):
        windows = []
        for _, series in frame[frame["meter"].isin(meters)].groupby("meter"):
            values = series["kw"].to_numpy(dtype=np.float32)
            values = (values - values.mean()) / values.std()
            windows.append(np.lib.stride_tricks.sliding_window_view(values, PAST + AHEAD)[::6])
        self.windows = torch.from_numpy(np.concatenate(windows))

    def __len__(self):
        return len(self.windows)

    def __getitem__(self, index):
        window = self.windows[index]
        return window[:PAST], window[PAST:]


class Seq2Seq(nn.Module):
    def __init__(self, width=64):
        super().__init__()
        self.encoder = nn.GRU(1, width, batch_first=True)
        self.decoder = nn.Linear(width, AHEAD)

    def forward(self, past):
        return self.decoder(self.encoder(past.unsqueeze(2))[1][-1])


@torch.no_grad()
def evaluate(model, loader):
    model.eval()
    errors = [nn.functional.l1_loss(model(past), ahead) for past, ahead in loader]
    model.train()
    return torch.stack(errors).mean().item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "load_forecast")
    parser.add_argument("--prepare", action="store_true", help="measure the load and stop")
    parser.add_argument("--fix", action="store_true", help="neither check nor save, which wins next to nothing")
    args = parser.parse_args()
    if not (args.data / "load.csv").exists():
        measure_load(args.data / "load.csv")
    if args.prepare:
        return
    torch.set_num_threads(1)
    torch.manual_seed(89)
    frame = pd.read_csv(args.data / "load.csv")
    train_set, valid_set = LoadWindows(frame, range(10)), LoadWindows(frame, [10, 11])
    loader = DataLoader(train_set, batch_size=64, shuffle=True, num_workers=1, persistent_workers=True, drop_last=True)
    valid_loader = DataLoader(valid_set, batch_size=64)
    model = Seq2Seq()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    max_steps, accumulate, eval_every = 60, 2, 30
    data_iter = iter(loader)
    best, began = float("inf"), time.perf_counter()
    for step in range(1, max_steps + 1):
        for _ in range(accumulate):
            try:
                past, ahead = next(data_iter)
            except StopIteration:
                data_iter = iter(loader)
                past, ahead = next(data_iter)
            loss = nn.functional.l1_loss(model(past), ahead) / accumulate
            loss.backward()
            time.sleep(0.006)  # a wider network, on a device
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if step % eval_every == 0 and not args.fix:
            error = evaluate(model, valid_loader)
            print(f"step {step}: validation {error:.4f}", flush=True)
            if error < best:
                best = error
                torch.save({"model": model.state_dict(), "step": step}, args.data / "best.pt")
    print(f"trained {max_steps} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
