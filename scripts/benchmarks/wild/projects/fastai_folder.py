"""fastai: ImageDataLoaders.from_folder and vision_learner, as its quick start shows."""

from scripts.benchmarks.wild.project import Project, Truth, Variant

SCRIPT = ("python", "{files}/train.py", "{data}")

PROJECT = Project(
    name="fastai_folder",
    requires=("fastai",),
    command=(*SCRIPT, "0", "2"),
    data=("photos.py", "{data}", "--train", "160", "--val", "32", "--size", "1280x960"),
    truth=Truth(bounds=("unknown",), causes=(), why="not measured yet"),
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
