"""Blight on leaves with a small trainer of one's own: modules, callbacks, and a table of what each step used.

The report behind it: https://github.com/Lightning-AI/pytorch-lightning/issues/189, a program that is started in each
step to ask for the memory in use; https://github.com/Lightning-AI/pytorch-lightning/pull/3257.
"""

import argparse
import csv
import os
import subprocess
import tempfile
import time
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, random_split

SIDE, BLIGHTS = 32, 5


class Leaves(Dataset):
    """Green noise with spots; the number of spots is what there is to learn."""

    def __init__(self, count, seed):
        generator = torch.Generator().manual_seed(seed)
        self.images = (torch.rand(count, 3, SIDE, SIDE, generator=generator) * 90).byte()
        self.images[:, 1] += 80
        self.blights = torch.randint(BLIGHTS, (count,), generator=generator)
        for image, blight in zip(self.images, self.blights.tolist(), strict=True):
            for row, column in torch.randint(SIDE - 4, (3 * blight, 2), generator=generator).tolist():
                image[:, row : row + 4, column : column + 4] = 30

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image = self.images[index].float() / 255
        return (image.flip(2) if torch.rand(()) < 0.5 else image), self.blights[index]


class Callback:
    """What a trainer calls; all that is not of interest is left as it is."""

    def on_fit_start(self, trainer): ...

    def on_batch_end(self, trainer, logs): ...

    def on_epoch_end(self, trainer, logs): ...

    def on_fit_end(self, trainer): ...


class Progress(Callback):
    def on_fit_start(self, trainer):
        self.began = time.perf_counter()

    def on_epoch_end(self, trainer, logs):
        print(f"epoch {trainer.epoch}: " + ", ".join(f"{name} {value:.4f}" for name, value in logs.items()), flush=True)

    def on_fit_end(self, trainer):
        print(f"trained {trainer.step} steps in {time.perf_counter() - self.began:.2f} s", flush=True)


def process_usage(pid):
    """Return resident megabytes and the share of a core, of a process and of those it started."""
    columns = ["ps", "-o", "rss=,pcpu=", "-p", str(pid), "--ppid", str(pid)]
    told = subprocess.run(columns, capture_output=True, text=True, check=False).stdout.split()  # <- cause
    return sum(map(float, told[::2])) / 1024, sum(map(float, told[1::2]))


class ResourceMonitor(Callback):
    """Log what the training uses, beside its loss."""

    def __init__(self, path, every=1):
        self.path, self.every = path, every

    def on_fit_start(self, trainer):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file = open(self.path, "w", newline="", encoding="utf-8")  # noqa: SIM115
        self.writer = csv.writer(self.file)

    def on_batch_end(self, trainer, logs):
        if trainer.step % self.every == 0:
            megabytes, share = process_usage(os.getpid())  # <- cause
            self.writer.writerow([trainer.step, logs["loss"], megabytes, share])

    def on_fit_end(self, trainer):
        self.file.close()


class BestWeights(Callback):
    def __init__(self):
        self.best, self.weights = float("inf"), None

    def on_epoch_end(self, trainer, logs):
        if logs["valid_loss"] < self.best:
            self.best = logs["valid_loss"]
            self.weights = {name: value.clone() for name, value in trainer.module.state_dict().items()}


class LeafModule(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(1),
            nn.Linear(2 * width * (SIDE // 4) ** 2, BLIGHTS),
        )

    def loss(self, batch):
        images, blights = batch
        return nn.functional.cross_entropy(self.net(images), blights)

    def optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=1e-3)
        return optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)


class LeafData:
    def __init__(self, count=4800, size=16):
        self.train, self.valid = random_split(Leaves(count, 277), [count - 320, 320])
        self.size = size

    def train_loader(self):
        return DataLoader(self.train, self.size, shuffle=True, num_workers=1, persistent_workers=True)

    def valid_loader(self):
        return DataLoader(self.valid, 64)


class Trainer:
    def __init__(self, epochs, callbacks):
        self.epochs, self.callbacks = epochs, callbacks
        self.step = self.epoch = 0

    def call(self, hook, *args):
        for callback in self.callbacks:
            getattr(callback, hook)(self, *args)

    def training_step(self, batch):
        loss = self.module.loss(batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.step += 1
        return {"loss": loss.item()}

    @torch.no_grad()
    def validate(self, loader):
        self.module.eval()
        losses = [self.module.loss(batch) for batch in loader]
        self.module.train()
        return torch.stack(losses).mean().item()

    def fit(self, module, data):
        self.module = module
        self.optimizer, self.scheduler = module.optimizers()
        train, valid = data.train_loader(), data.valid_loader()
        self.call("on_fit_start")
        for epoch in range(self.epochs):
            self.epoch = epoch
            for batch in train:
                self.call("on_batch_end", self.training_step(batch))
            self.scheduler.step()
            self.call("on_epoch_end", {"valid_loss": self.validate(valid)})
        self.call("on_fit_end")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "leaf_blight")
    parser.add_argument("--prepare", action="store_true", help="nothing to prepare")
    parser.add_argument("--fix", action="store_true", help="ask for what is used every 100 steps")
    args = parser.parse_args()
    if args.prepare:
        return
    torch.set_num_threads(1)
    torch.manual_seed(281)
    monitor = ResourceMonitor(args.data / "resources.csv", every=100 if args.fix else 1)
    Trainer(5, [Progress(), monitor, BestWeights()]).fit(LeafModule(), LeafData())


if __name__ == "__main__":
    main()
