"""fastai: ImageDataLoaders.from_folder and vision_learner, as its quick start shows."""

from scripts.benchmarks.wild.project import Place, Project, Truth, Variant

SCRIPT = ("python", "{files}/train.py", "{data}")

PROJECT = Project(
    name="fastai_folder",
    requires=("fastai",),
    command=(*SCRIPT, "0", "2"),
    data=("photos.py", "{data}", "--train", "160", "--val", "32", "--size", "1280x960"),
    truth=Truth(
        bounds=("input",),
        causes=("oversized-decode", "no-worker-processes"),
        why="56 % of a step is making its batch in the training process; what each change wins is still to be measured",
        also=("expensive-decode",),
        places=(Place("fastai_folder/train.py"),),
        advice="no-worker-processes",
        fix="2 workers",
    ),
    variants=(
        Variant("2 workers", "ImageDataLoaders with num_workers=2", command=(*SCRIPT, "2", "2")),
        Variant(
            "scaled decode",
            "JPEGs decoded at a smaller scale",
            patch="scaled_decode.py",
            environment=(("SCALED_TO", "128"),),
        ),
    ),
    results=r"^(\[.*?), '",
)
