"""accelerate: its example of computer vision under `accelerate launch --cpu`, photos decoded by four workers."""

from scripts.benchmarks.wild.project import Project, Truth, Variant

PROJECT = Project(
    name="accelerate_script",
    requires=("accelerate", "torch", "torchvision", "pillow"),
    command=(
        *("accelerate", "launch", "--cpu", "{files}/cv_example.py", "--data_dir", "{data}/train", "--cpu"),
        *("--num_epochs", "2"),
    ),
    data=("photos.py", "{data}", "--train", "240", "--val", "0", "--size", "1280x960"),
    truth=Truth(
        bounds=("unknown",),
        causes=(),
        why="0 % of the loop waited for four workers in one run beside others' work; ablations not measured yet",
    ),
    variants=(
        Variant(
            "draft",
            "JPEG files decoded at a quarter of their size",
            environment=(("SCALED_TO", "200"),),
            patch="scaled_decode.py",
        ),
    ),
    workers=(0, 1),
    results=r"^(epoch \d.*)$",
)
