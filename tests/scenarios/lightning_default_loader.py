"""A Lightning module on features made on the fly, with the DataLoader's default of no workers."""

import time

import lightning
import numpy as np
import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset


class Spectra(Dataset):
    def __init__(self, length):
        self.signal = np.random.default_rng(11).standard_normal(40_000)
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        start = (index * 37) % 20_000
        windows = np.lib.stride_tricks.sliding_window_view(self.signal[start : start + 16_000], 512)[::32]
        power = np.abs(np.fft.rfft(windows * np.hanning(512))) ** 2
        return torch.from_numpy(np.log1p(power).mean(0)).float(), index % 10


class Classifier(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.network = Network(257, device_ms=30)

    def training_step(self, batch, _index):
        x, y = batch
        return torch.nn.functional.cross_entropy(self.network(x), y)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters())


def main():
    args = options(__doc__)
    loader = DataLoader(Spectra(720), batch_size=8, shuffle=True, num_workers=2 if args.fix else 0)  # <- cause
    trainer = lightning.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    started = time.perf_counter()
    trainer.fit(Classifier(), loader)
    report(trainer.global_step, started)


if __name__ == "__main__":
    main()
