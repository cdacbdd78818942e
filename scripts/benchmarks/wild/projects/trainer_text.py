"""transformers: Trainer on texts tokenized beforehand, with evaluation and a checkpoint each epoch."""

from scripts.benchmarks.wild.project import Project, Truth, Variant

PROJECT = Project(
    name="trainer_text",
    requires=("transformers", "accelerate", "datasets", "torch"),
    command=(
        *("python", "{files}/finetune.py", "{data}", "--output_dir", "model", "--report_to", "none"),
        *("--num_train_epochs", "2", "--per_device_train_batch_size", "16", "--learning_rate", "2e-4"),
        *("--eval_strategy", "epoch", "--save_strategy", "epoch", "--load_best_model_at_end"),
    ),
    data=("text.py", "{data}", "labelled", "900", "30", "4000"),
    truth=Truth(
        bounds=("compute",),
        causes=(),
        also=("slow-startup", "periodic-pause", "epoch-end"),
        why="the loader alone is 70 times as fast as the training; cached batches win nothing, no checkpoints 1.13 times",
    ),
    variants=(
        Variant(
            "no saving", "no checkpoint each epoch", ("--save_strategy", "no", "--load_best_model_at_end", "false")
        ),
    ),
    workers=(1,),
    results=r"'(?:eval_loss|train_loss)': '?([\d.e-]+)",
)
