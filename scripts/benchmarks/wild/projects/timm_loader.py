"""timm: create_dataset, create_loader with RandAugment, create_model, in a script as its documentation shows one."""

from scripts.benchmarks.wild.project import Project, Truth

PROJECT = Project(
    name="timm_loader",
    requires=("timm", "pillow<12"),
    command=("python", "{files}/train.py", "{data}", "--epochs", "3"),
    data=("photos.py", "{data}", "--train", "400", "--val", "64", "--size", "800x600"),
    truth=Truth(bounds=("unknown",), causes=(), why="not measured yet"),
    workers=(0, 1, 4),
    results=r"Loss: ([\d.]+)|Acc@1: ([\d.]+)",
)
