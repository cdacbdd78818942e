"""Runoff of catchments with an LSTM: what goes in and comes out is logged for debugging, which is switched off."""

import argparse
import logging
import tempfile
import time
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

log = logging.getLogger("catchments")
DAYS, FORCINGS = 45, 8


def observe(count=4000):
    generator = torch.Generator().manual_seed(107)
    forcings = torch.rand(count, DAYS, FORCINGS, generator=generator)
    decay = 0.9 ** torch.arange(DAYS - 1, -1, -1)
    runoff = (forcings[..., 0] * decay).sum(1) + 0.1 * torch.randn(count, generator=generator)
    return TensorDataset(forcings, runoff)


class Runoff(nn.Module):
    def __init__(self, width=64):
        super().__init__()
        self.lstm = nn.LSTM(FORCINGS, width, batch_first=True)
        self.body = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.head = nn.Linear(width, 1)

    def forward(self, forcings):
        states, _ = self.lstm(forcings)
        return self.head(self.body(states[:, -1])).squeeze(1)


def nash_sutcliffe(predicted, observed):
    return 1 - (predicted - observed).square().sum() / (observed - observed.mean()).square().sum()


def train_step(model, optimizer, forcings, runoff, eager):
    predicted = model(forcings)
    loss = nn.functional.mse_loss(predicted, runoff)
    optimizer.zero_grad()
    loss.backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    if eager:
        log.debug(f"forcings {forcings}, runoff {runoff}, predicted {predicted}")  # <- cause
        log.debug(f"gradients {gradients}")  # <- cause
    else:
        log.debug("forcings %s, runoff %s, predicted %s", forcings, runoff, predicted)
        log.debug("gradients %s", gradients)
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item(), nash_sutcliffe(predicted.detach(), runoff).item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "flood_catchments")
    parser.add_argument("--prepare", action="store_true", help="nothing to prepare")
    parser.add_argument("--fix", action="store_true", help="let the logger format what it writes")
    args = parser.parse_args()
    if args.prepare:
        return
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    torch.set_num_threads(1)
    torch.manual_seed(109)
    loader = DataLoader(observe(), batch_size=64, shuffle=True)
    model = Runoff()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    steps, began = 0, time.perf_counter()
    for epoch in range(6):
        losses, scores = [], []
        for forcings, runoff in loader:
            loss, score = train_step(model, optimizer, forcings, runoff, eager=not args.fix)
            losses.append(loss)
            scores.append(score)
            steps += 1
        log.info("epoch %d: loss %.4f, efficiency %.3f", epoch, sum(losses) / len(losses), sum(scores) / len(scores))
    print(f"trained {steps} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
