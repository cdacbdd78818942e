"""pytorch-forecasting: the Temporal Fusion Transformer of its tutorial on made sales."""

from scripts.benchmarks.wild.project import Project, Truth

PROJECT = Project(
    name="pytorch_forecasting_tft",
    requires=("pytorch-forecasting",),
    command=("python", "{files}/train.py", "{data}/sales.csv"),
    data=("sales.py", "{data}", "200", "72"),
    truth=Truth(bounds=("unknown",), causes=(), why="not measured yet"),
    results=r"val_loss ([\d.]+)",
    workers=(2,),
)
