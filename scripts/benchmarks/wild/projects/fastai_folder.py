"""fastai: ImageDataLoaders.from_folder and vision_learner, as its quick start shows."""

from scripts.benchmarks.wild.project import Place, Project, Truth, Variant, scaled_decode

SCRIPT = ("python", "{files}/train.py", "{data}")

PROJECT = Project(
    name="fastai_folder",
    requires=("fastai",),
    command=(*SCRIPT, "0", "2"),
    data=("photos.py", "{data}", "--train", "160", "--val", "32", "--size", "1280x960"),
    truth=Truth(
        bounds=("input",),
        causes=("oversized-decode", "expensive-decode"),
        why="cached batches make the loop 1.56 and a smaller decode 1.31 times as fast; two workers make it slower (0.87), as "
        "the training computes on both cores",
        also=("no-worker-processes",),
        places=(Place("fastai_folder/train.py"),),
        advice="oversized-decode",
        fix="scaled decode",
    ),
    variants=(
        Variant("2 workers", "ImageDataLoaders with num_workers=2", command=(*SCRIPT, "2", "2")),
        scaled_decode(128),
    ),
    results=r"^(\[.*?), '",
)
