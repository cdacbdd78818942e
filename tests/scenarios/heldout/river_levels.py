"""Levels of rivers with Lightning: the training is validated many times an epoch, with a loader of four workers."""

import argparse
import logging
import tempfile
import time
import warnings
from pathlib import Path

import lightning
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

DAYS, GAUGES = 60, 12


class Levels(Dataset):
    """Windows of one long series: the past days of all gauges, and the next day of the last one."""

    def __init__(self, days, seed):
        generator = torch.Generator().manual_seed(seed)
        rain = torch.rand(days, GAUGES, generator=generator)
        self.levels = torch.zeros(days, GAUGES)
        for day in range(1, days):
            self.levels[day] = 0.9 * self.levels[day - 1] + 0.1 * rain[day]

    def __len__(self):
        return len(self.levels) - DAYS - 1

    def __getitem__(self, day):
        window = self.levels[day : day + DAYS]
        noise = torch.randn(window.shape) * 0.01
        return window + noise, self.levels[day + DAYS, -1]


class Forecaster(lightning.LightningModule):
    def __init__(self, width=64):
        super().__init__()
        self.gru = nn.GRU(GAUGES, width, num_layers=2, batch_first=True)
        self.head = nn.Linear(width, 1)

    def forward(self, windows):
        states, _ = self.gru(windows)
        return self.head(states[:, -1]).squeeze(1)

    def training_step(self, batch, _):
        windows, levels = batch
        return nn.functional.mse_loss(self(windows), levels)

    def validation_step(self, batch, _):
        windows, levels = batch
        self.log("error", nn.functional.l1_loss(self(windows), levels), batch_size=len(levels))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "river_levels")
    parser.add_argument("--prepare", action="store_true", help="nothing to prepare")
    parser.add_argument("--fix", action="store_true", help="keep the workers of the validation")
    args = parser.parse_args()
    if args.prepare:
        return
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    lightning.seed_everything(89, verbose=False)
    train_loader = DataLoader(
        Levels(6500, 97), batch_size=32, shuffle=True, num_workers=1, persistent_workers=True, drop_last=True
    )
    valid_loader = DataLoader(  # <- cause
        Levels(420, 101), batch_size=64, num_workers=4, persistent_workers=args.fix
    )
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=1,
        val_check_interval=10,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=args.data,
    )
    began = time.perf_counter()
    trainer.fit(Forecaster(), train_loader, valid_loader)
    print(f"error {trainer.callback_metrics['error'].item():.4f}")
    print(f"trained {trainer.global_step} steps in {time.perf_counter() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main()
