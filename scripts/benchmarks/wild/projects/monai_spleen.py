"""MONAI: the spleen tutorial's transforms on made CT volumes, a plain Dataset, a small UNet."""

from scripts.benchmarks.wild.project import Place, Project, Truth, Variant

PROJECT = Project(
    name="monai_spleen",
    requires=("monai", "nibabel"),
    command=("python", "{files}/train.py", "{data}"),
    data=("volumes.py", "{data}", "32", "176x176x96"),
    truth=Truth(
        bounds=("input", "cpu"),
        causes=("expensive-transform", "cpu-saturated", "expensive-decode"),
        also=("worker-restart", "slow-sample", "coarse-batches", "slow-dataset-code"),
        places=(Place("monai_spleen/train.py"),),
        why="cached batches make the loop 1.58 and leaving Spacingd out 1.38 times as fast; without worker processes it is 0.82 times "
        "as fast: workers and training share the two cores",
        advice="expensive-transform",
        fix="no_spacing",
    ),
    variants=(
        Variant("no_spacing", "volumes that were resampled beforehand: Spacingd left out", patch="no_spacing.py"),
        Variant("cache", "CacheDataset instead of Dataset", arguments=("--cache",)),
    ),
    results=r"average loss: ([\d.]+)",
    workers=(0,),
)
