"""segmentation-models-pytorch: its example of binary segmentation, with its Oxford pets dataset, under Lightning."""

from scripts.benchmarks.wild.project import Project, Truth

PROJECT = Project(
    name="smp_pets",
    requires=("segmentation-models-pytorch", "lightning"),
    command=("python", "{files}/train.py", "{data}"),
    data=("pets.py", "{data}", "120", "500x375"),
    truth=Truth(bounds=("unknown",), causes=(), why="not measured yet"),
    results=r"(\w+) loss ([\d.]+) iou ([\d.]+)",
    workers=(1,),
)
