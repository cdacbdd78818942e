"""pytorch-forecasting: the Temporal Fusion Transformer of its tutorial on made sales."""

from scripts.benchmarks.wild.project import Place, Project, Truth

PROJECT = Project(
    name="pytorch_forecasting_tft",
    requires=("pytorch-forecasting",),
    command=("python", "{files}/train.py", "{data}/sales.csv"),
    data=("sales.py", "{data}", "200", "72"),
    truth=Truth(
        bounds=("input",),
        causes=("slow-dataset-code",),
        also=("no-worker-processes",),
        places=(Place("pytorch_forecasting_tft/train.py"),),
        why="cached batches make the loop 1.62 and two workers 0.73 times as fast; its TimeSeriesDataSet is 90 % of making a batch",
    ),
    results=r"val_loss ([\d.]+)",
    workers=(2,),
)
