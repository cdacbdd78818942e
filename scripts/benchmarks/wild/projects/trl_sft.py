"""trl: SFTTrainer on plain texts, which it tokenizes before the first step."""

from scripts.benchmarks.wild.project import Project, Truth

PROJECT = Project(
    name="trl_sft",
    requires=("trl", "torch"),
    command=(
        *("python", "{files}/sft.py", "{data}", "--output_dir", "model", "--report_to", "none", "--use_cpu"),
        *("--num_train_epochs", "1", "--max_length", "128", "--per_device_train_batch_size", "4"),
        *("--eval_strategy", "epoch", "--bf16", "False"),
    ),
    data=("text.py", "{data}", "plain", "240", "40", "4000"),
    truth=Truth(
        bounds=("compute",),
        causes=(),
        also=("slow-startup", "epoch-end"),
        why="the loader alone is 154 times as fast as the training; one worker makes it 0.76 times as fast",
    ),
    workers=(1,),
    results=r"'(?:eval_loss|train_loss)': '?([\d.e-]+)",
)
