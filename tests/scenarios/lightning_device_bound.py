"""A Lightning training without workers whose batches cost next to nothing: the device is the limit."""

import time

import lightning
import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, TensorDataset


class Regressor(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.network = Network(32, classes=1, device_ms=60)

    def training_step(self, batch, _index):
        x, y = batch
        return torch.nn.functional.mse_loss(self.network(x), y)

    def validation_step(self, batch, _index):
        x, y = batch
        self.log("loss", torch.nn.functional.mse_loss(self.network(x), y))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01)


def rows(count):
    return TensorDataset(torch.randn(count, 32), torch.randn(count, 1))


def main():
    options(__doc__)
    trainer = lightning.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    started = time.perf_counter()
    trainer.fit(Regressor(), DataLoader(rows(400), batch_size=10), DataLoader(rows(20), batch_size=10))
    report(trainer.global_step, started)


if __name__ == "__main__":
    main()
