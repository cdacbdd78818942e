"""litgpt: its command `litgpt finetune_full` on a JSON file, tokenized by its four workers, with evaluation and checkpoints."""

from scripts.benchmarks.wild.project import Project, Truth, Variant

PROJECT = Project(
    name="litgpt_finetune",
    requires=("litgpt", "requests", "torch"),
    command=(
        *("litgpt", "finetune_full", "{data}/model", "--precision", "32-true", "--out_dir", "out"),
        *("--data", "JSON", "--data.json_path", "{data}/instructions.json", "--data.val_split_fraction", "0.1"),
        *("--train.micro_batch_size", "4", "--train.global_batch_size", "8", "--train.epochs", "2"),
        *("--train.lr_warmup_steps", "10", "--eval.interval", "20", "--train.save_interval", "40"),
    ),
    data=("make.py", "{data}", "200", "40"),
    truth=Truth(
        bounds=("compute",),
        causes=(),
        also=("periodic-pause", "evaluation-share", "epoch-end", "slow-startup"),
        why="the loader alone is 28 times as fast as the training; cached batches make the loop 1.09, no checkpoints 1.13 and no "
        "evaluation 1.13 times as fast",
    ),
    variants=(
        Variant("no saving", "no checkpoints within the run", ("--train.save_interval", "100000")),
        Variant("no evaluation", "no evaluation within the run", ("--eval.interval", "100000")),
    ),
    workers=(0, 1),
    results=r"loss train: ([\d.]+)",
)
