"""timm: create_dataset, create_loader with RandAugment, create_model, in a script as its documentation shows one."""

from scripts.benchmarks.wild.project import Project, Truth, Variant

SCALED_DECODE = Variant(
    "scaled decode",
    "JPEGs decoded at a smaller scale",
    patch="scaled_decode.py",
    environment=(("SCALED_TO", "192"),),
)

PROJECT = Project(
    name="timm_loader",
    requires=("timm", "pillow<12"),
    command=("python", "{files}/train.py", "{data}", "--epochs", "3", "--model", "resnet10t"),
    data=("photos.py", "{data}", "--train", "240", "--val", "32", "--size", "800x600"),
    truth=Truth(
        bounds=("compute", "cpu"),
        causes=(),
        why="1 % of a step of 259 ms is asking for its batch, and the loader alone takes 76 ms a batch of the 180 ms that a step "
        "computes; the other ablations were disturbed by other programs and are to be run again",
        also=("cpu-saturated", "thread-oversubscription", "too-many-workers"),
    ),
    workers=(0,),
    variants=(SCALED_DECODE,),
    results=r"Loss: ([\d.]+)|Acc@1: ([\d.]+)",
)
