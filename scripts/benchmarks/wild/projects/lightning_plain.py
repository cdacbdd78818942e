"""lightning: a LightningModule and a LightningDataModule, Trainer.fit with validation and a checkpoint each epoch."""

from scripts.benchmarks.wild.project import Project, Truth, Variant

PROJECT = Project(
    name="lightning_plain",
    requires=("lightning", "torch", "torchvision"),
    command=("python", "{files}/train.py", "{data}/train", "--batch-size", "16", "--epochs", "2"),
    data=("photos.py", "{data}", "--train", "480", "--val", "0", "--classes", "10", "--size", "72x72"),
    truth=Truth(
        bounds=("compute", "cpu"),
        causes=(),
        also=("too-many-workers", "slow-startup"),
        why="the loader alone is 24 times as fast as the training; without worker processes it is 1.05 times as fast",
    ),
    variants=(Variant("no validation", "no validation after the epochs", ("--limit-val-batches", "0.05")),),
    workers=(0, 1),
    results=r"^val_loss ([\d.]+)",
)
