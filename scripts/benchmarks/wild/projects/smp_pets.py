"""segmentation-models-pytorch: its example of binary segmentation, with its Oxford pets dataset, under Lightning."""

from scripts.benchmarks.wild.project import Project, Truth

PROJECT = Project(
    name="smp_pets",
    requires=("segmentation-models-pytorch", "lightning"),
    command=("python", "{files}/train.py", "{data}"),
    data=("pets.py", "{data}", "120", "500x375"),
    truth=Truth(
        bounds=("compute", "cpu"),
        causes=(),
        why="the loader alone is 77 times as fast as the training, which waits for 0 % of its loop; cached batches make a step 1.2 "
        "times as fast in a turn of 74 s a run",
    ),
    results=r"(\w+) loss ([\d.]+) iou ([\d.]+)",
    workers=(1,),
)
