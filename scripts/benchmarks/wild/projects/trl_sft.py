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
        bounds=("compute", "host"),
        causes=(),
        also=("slow-startup", "evaluation-share"),
        why="0 % of the loop waits for a loader without worker processes, so that free input could win nothing (one run, "
        "while others used a core; the ablations are to be measured)",
    ),
    workers=(1,),
    results=r"'(?:eval_loss|train_loss)': '?([\d.e-]+)",
)
