"""transformers: Trainer on an imagefolder of large photos, transformed in with_transform, no worker process (the default)."""

from scripts.benchmarks.wild.project import Place, Project, Truth, scaled_decode

PROJECT = Project(
    name="trainer_images",
    requires=("transformers", "accelerate", "datasets", "torch", "torchvision", "pillow"),
    command=(
        *("python", "{files}/train.py", "{data}/train", "--output_dir", "model", "--report_to", "none"),
        *("--num_train_epochs", "2", "--per_device_train_batch_size", "8", "--learning_rate", "5e-5"),
        *("--remove_unused_columns", "False", "--eval_strategy", "epoch", "--save_strategy", "epoch"),
    ),
    data=("photos.py", "{data}", "--train", "160", "--val", "0", "--size", "1280x960"),
    truth=Truth(
        bounds=("input",),
        causes=("oversized-decode", "expensive-decode", "no-worker-processes"),
        also=("transform-order", "evaluation-share"),
        places=(Place("trainer_images/train.py", "transforms"),),
        why="cached batches make the loop 2.7, a smaller decode 1.45 and two workers 1.2 times as fast",
        advice="oversized-decode",
        fix="scaled decode",
    ),
    variants=(scaled_decode(200),),
    workers=(1, 2),
    results=r"'(?:eval_loss|train_loss)': '?([\d.e-]+)",
)
