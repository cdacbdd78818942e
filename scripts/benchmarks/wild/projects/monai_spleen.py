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
        also=("worker-restart", "slow-sample", "coarse-batches"),
        places=(Place("monai_spleen/train.py"),),
        why="CacheDataset makes the loop 1.49 times as fast and leaving Spacingd out 1.09 times; cached batches alone 0.96, as "
        "half of an epoch's batches are made ahead by its workers anyway",
    ),
    variants=(
        Variant("no_spacing", "volumes that were resampled beforehand: Spacingd left out", patch="no_spacing.py"),
        Variant("cache", "CacheDataset instead of Dataset", arguments=("--cache",)),
    ),
    results=r"average loss: ([\d.]+)",
    workers=(0,),
)
