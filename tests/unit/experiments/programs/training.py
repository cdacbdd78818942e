"""A training of known costs: `ITEM` seconds per sample, `STEP` per step. `WAY`: how it is written. Sleeps only."""

import json
import os
import sys
import time

import torch
from torch.utils.data import DataLoader, Dataset

ITEM = float(os.environ.get("ITEM", "0.004"))
STEP = float(os.environ.get("STEP", "0.01"))
WORKERS = int(os.environ.get("WORKERS", "1"))
METHOD = os.environ.get("METHOD") or None
LENGTH = int(os.environ.get("LENGTH", "400"))
EPOCHS = int(os.environ.get("EPOCHS", "1000"))
PERSISTENT = os.environ.get("PERSISTENT") == "1"
BATCH = 4
torch.set_num_threads(1)  # sleeps are the work; threads would wait for cores that others have


class Numbers(Dataset):
    def __len__(self):
        return LENGTH

    def __getitem__(self, index):
        time.sleep(ITEM)
        return torch.full((3,), float(index)), index % 2


def made(kind=DataLoader):
    return kind(
        Numbers(),
        batch_size=BATCH,
        num_workers=WORKERS,
        shuffle=True,
        persistent_workers=PERSISTENT and WORKERS > 0,
        multiprocessing_context=METHOD if WORKERS else None,
    )


class Step:
    """One training step, `STEP` seconds and a little."""

    def __init__(self):
        self.model = torch.nn.Linear(3, 2)
        self.optimizer = torch.optim.SGD(self.model.parameters(), 0.01)

    def __call__(self, batch):
        x, y = batch
        loss = torch.nn.functional.cross_entropy(self.model(x), y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        time.sleep(STEP)


def plain(loader=None, step=None):
    step, loader = step or Step(), loader or made()
    for _ in range(EPOCHS):
        for batch in loader:
            step(batch)


def validates_first():
    """Fourteen batches of evaluation before the first training batch."""
    step = Step()
    with torch.no_grad():
        for _batch, _ in zip(made(), range(14)):
            pass
    plain(step=step)


def short_epochs():
    plain(DataLoader(torch.utils.data.Subset(Numbers(), range(8)), batch_size=BATCH, num_workers=WORKERS))


def inference():
    model = torch.nn.Linear(3, 2)
    with torch.no_grad():
        for _ in range(EPOCHS):
            for x, _y in made():
                model(x)
                time.sleep(STEP)


def one_cycle():
    """A schedule that raises once it has had its steps."""
    step, loader = Step(), made()
    schedule = torch.optim.lr_scheduler.OneCycleLR(step.optimizer, 0.1, total_steps=2 * len(loader))
    for _ in range(2):
        for batch in loader:
            step(batch)
            schedule.step()


def stateful():
    from torchdata.stateful_dataloader import StatefulDataLoader

    plain(made(StatefulDataLoader))


def accelerated():
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    step = Step()
    step.model, step.optimizer, loader = accelerator.prepare(step.model, step.optimizer, made())
    plain_step = step.__call__
    for _ in range(EPOCHS):
        for batch in loader:
            plain_step(batch)


def lightning():
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.network = torch.nn.Linear(3, 2)

        def training_step(self, batch, _index):
            time.sleep(STEP)
            return torch.nn.functional.cross_entropy(self.network(batch[0]), batch[1])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.01)

    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    lightning.Trainer(max_epochs=EPOCHS, accelerator="cpu", devices=1, **quiet).fit(Module(), made())


def transformers():
    from transformers import Trainer, TrainingArguments

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = torch.nn.Linear(3, 2)

        def forward(self, x, labels):
            time.sleep(STEP)
            return {"loss": torch.nn.functional.cross_entropy(self.inner(x), labels)}

    class Named(Numbers):
        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            return {"x": x, "labels": y}

    arguments = TrainingArguments(
        output_dir="out", num_train_epochs=EPOCHS, per_device_train_batch_size=BATCH, use_cpu=True, report_to=[],
        save_strategy="no", logging_strategy="no", dataloader_num_workers=WORKERS, disable_tqdm=True,
    )  # fmt: skip
    Trainer(model=Network(), args=arguments, train_dataset=Named()).train()


def no_loader():
    step = Step()
    for _ in range(20):
        step((torch.zeros(4, 3), torch.zeros(4, dtype=torch.long)))
    print("nothing was loaded")


def crashing():
    for number, _batch in enumerate(made()):
        if number == 2:
            raise ValueError("the label file is broken")


class Marked(Numbers):
    def __getitem__(self, index):
        x, _ = super().__getitem__(index)
        return x, int(torch.utils.data.get_worker_info() is None)


def brittle():
    """A loop that ends the script as soon as a batch was not made in a worker."""
    step = Step()
    for batch in DataLoader(Marked(), batch_size=BATCH, num_workers=WORKERS):
        if batch[1].any():
            raise SystemExit(7)
        step(batch)


def truth(seconds=1.5):
    """Print the steps per second of hand-written loops: the same batches again, the loader only, and both."""
    step, loader = Step(), made()

    def batches():
        while True:
            yield from loader

    def rate(kind, seconds):
        begun, count = time.perf_counter(), 0
        while time.perf_counter() - begun < seconds:
            batch = ready if kind == "device" else next(source)
            if kind != "loader":
                step(batch)
            count += 1
        return count / (time.perf_counter() - begun)

    source = batches()
    ready = next(source)
    told = {}
    for kind in ("device", "loader", "both"):
        rate(kind, seconds / 3)  # the batches that the loop before it left in the queue
        told[kind] = rate(kind, seconds)
    print(json.dumps(told), flush=True)
    os._exit(0)  # the generator still holds the loader's workers, which would be waited for


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
