"""timm: create_dataset, create_loader with RandAugment, create_model, in a script as its documentation shows one."""

from scripts.benchmarks.wild.project import Project, Truth, scaled_decode

PROJECT = Project(
    name="timm_loader",
    requires=("timm", "pillow<12"),
    command=("python", "{files}/train.py", "{data}", "--epochs", "3", "--model", "resnet10t"),
    data=("photos.py", "{data}", "--train", "240", "--val", "32", "--size", "800x600"),
    truth=Truth(
        bounds=("cpu",),
        causes=(),
        also=("cpu-saturated", "thread-oversubscription", "too-many-workers", "oversized-decode"),
        why="1 % of a step is asking for its batch, yet cached batches make the loop 1.38 and a smaller decode 1.15 times as "
        "fast: workers and training share the two cores",
    ),
    workers=(0,),
    variants=(scaled_decode(192),),
    results=r"Loss: ([\d.]+)|Acc@1: ([\d.]+)",
)
