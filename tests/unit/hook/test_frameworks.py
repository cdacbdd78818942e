"""Under each framework a step's forward, backward, optimizer and callbacks are told apart: programs that sleep in each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .hooked import run

COMMON = """
import sys, time
import torch
from torch.utils.data import DataLoader, Dataset

torch.set_num_threads(1)

class Slow(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        time.sleep(0.004)
        return x.view_as(x)

    @staticmethod
    def backward(context, gradient):
        time.sleep(0.006)
        return gradient

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)

    def forward(self, x, labels=None):
        loss = Slow.apply(self.layer(x)).mean()
        return loss if labels is None else {"loss": loss, "logits": loss.detach()[None]}

class SlowSGD(torch.optim.SGD):
    def step(self, closure=None):
        result = super().step(closure)
        time.sleep(0.008)
        return result

class Rows(Dataset):
    def __len__(self):
        return 24

    def __getitem__(self, index):
        return {"x": torch.ones(4), "labels": torch.ones(1)}

def loader(): return DataLoader(Rows(), batch_size=2)
"""
ACCELERATE = """
from accelerate import Accelerator

accelerator = Accelerator(cpu=True)
net = Net()
net, optimizer, batches = accelerator.prepare(net, SlowSGD(net.parameters(), 0.01), loader())
for batch in batches:
    accelerator.backward(net(batch["x"]))
    optimizer.step()
    optimizer.zero_grad()
    time.sleep(0.010)
"""
LIGHTNING = """
import lightning

class Module(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = Net()
        self.automatic_optimization = MANUAL is False

    def training_step(self, batch, index):
        loss = self.net(batch["x"])
        if MANUAL:
            self.manual_backward(loss)
            self.optimizers().step()
            self.optimizers().zero_grad()
        return loss

    def validation_step(self, batch, index):
        self.net(batch["x"])

    def configure_optimizers(self):
        return SlowSGD(self.parameters(), 0.01)

class Callback(lightning.Callback):
    def on_train_batch_end(self, *arguments):
        time.sleep(0.010)

lightning.Trainer(
    max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
    enable_model_summary=False, callbacks=[Callback()], num_sanity_val_steps=2,
).fit(Module(), loader(), loader())
"""
TRANSFORMERS = """
from transformers import Trainer, TrainerCallback, TrainingArguments

class Callback(TrainerCallback):
    def on_step_end(self, *arguments, **more):
        time.sleep(0.010)

net = Net()
settings = TrainingArguments(
    "trained", num_train_epochs=1, per_device_train_batch_size=2, report_to=[], use_cpu=True, save_strategy="no",
    disable_tqdm=True, logging_strategy="no", max_grad_norm=0,
)
optimizer = SlowSGD(net.parameters(), 0.01)
schedule = torch.optim.lr_scheduler.ConstantLR(optimizer)
Trainer(net, settings, train_dataset=Rows(), optimizers=(optimizer, schedule), callbacks=[Callback()]).train()
"""
PROGRAMS = {
    "accelerate": ("accelerate", ACCELERATE),
    "lightning": ("lightning", "MANUAL = False\n" + LIGHTNING),
    "lightning, by hand": ("lightning", "MANUAL = True\n" + LIGHTNING),
    "transformers": ("transformers", TRANSFORMERS),
}
# What the program sleeps in each part of a step, in ms.
PARTS = {"forward": 4.0, "backward": 6.0, "optimizer": 8.0, "other": 10.0}


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_parts_of_a_step(tmp_path: Path, name: str) -> None:
    package, program = PROGRAMS[name]
    pytest.importorskip(package)
    batches = run(COMMON + program, tmp_path / "run").trainer.of("batch")
    steps = [batch for batch in batches if batch["optimizer_n"]][2:]
    assert len(steps) >= 8
    for part, slept_ms in PARTS.items():
        assert _least(steps, part) == pytest.approx(slept_ms, abs=0.45 * slept_ms), part
    assert {batch["backward_n"] for batch in steps} == {1}
    evaluated = [batch for batch in batches if not batch["optimizer_n"]]
    assert not any(batch["backward_n"] for batch in evaluated)


def _least(steps: list[dict[str, Any]], part: str) -> float:
    """Return the shortest of a part in ms: what a busy machine adds is not the program's."""
    return min(step[f"{part}_ns"] for step in steps) / 1e6
