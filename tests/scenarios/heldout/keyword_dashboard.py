"""Spoken keywords with accelerate: after every step all gradients are written as JSON, for a page that shows them."""

import argparse
import json
import tempfile
import time
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

BANDS, FRAMES, WORDS = 40, 98, 12


def make_keywords(count, seed):
    generator = torch.Generator().manual_seed(seed)
    words = torch.randint(WORDS, (count,), generator=generator)
    mels = torch.randn(count, BANDS, FRAMES, generator=generator)
    mels[torch.arange(count), words * 3] += 1.5
    return TensorDataset(mels, words)


class KeywordNet(nn.Module):
    def __init__(self, width=64):
        super().__init__()
        self.wide = nn.Conv1d(BANDS, width, 9, stride=4)
        self.deep = nn.Conv1d(width, width, 5, stride=2)
        self.head = nn.Linear(width, WORDS)

    def forward(self, mels):
        return self.head(self.deep(self.wide(mels).relu()).relu().mean(2))


class Dashboard:
    """Keep `status.json` up to date; the page reads it again every few seconds."""

    def __init__(self, folder, every):
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "status.json"
        self.every = every
        self.history = []

    def update(self, step, loss, model):
        self.history.append(loss)
        if step % self.every:
            return
        status = {"step": step, "history": self.history, "gradients": {}}
        for name, parameter in model.named_parameters():
            status["gradients"][name] = parameter.grad.tolist()  # <- cause
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(json.dumps(status))  # <- cause
            file.flush()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "keyword_dashboard")
    parser.add_argument("--prepare", action="store_true", help="nothing to prepare")
    parser.add_argument("--fix", action="store_true", help="write the gradients every 50 steps")
    args = parser.parse_args()
    if args.prepare:
        return
    torch.set_num_threads(1)
    accelerator = Accelerator(cpu=True)
    model = KeywordNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loader = DataLoader(make_keywords(1600, 41), batch_size=32, shuffle=True)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    dashboard = Dashboard(args.data, every=50 if args.fix else 1)
    steps, began = 0, time.perf_counter()
    for epoch in range(5):
        model.train()
        for mels, words in loader:
            with accelerator.accumulate(model):
                loss = nn.functional.cross_entropy(model(mels), words)
                accelerator.backward(loss)
                time.sleep(0.008)  # the layers that are on a device
                dashboard.update(steps, loss.item(), accelerator.unwrap_model(model))  # <- cause
                optimizer.step()
                optimizer.zero_grad()
            steps += 1
        accelerator.print(f"epoch {epoch}: loss {loss.item():.4f}", flush=True)
    print(f"trained {steps} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
