"""MONAI: the spleen tutorial's transforms on made CT volumes, a plain Dataset, a small UNet."""

from scripts.benchmarks.wild.project import Project, Truth, Variant

PROJECT = Project(
    name="monai_spleen",
    requires=("monai", "nibabel"),
    command=("python", "{files}/train.py", "{data}"),
    data=("volumes.py", "{data}", "16", "176x176x96"),
    truth=Truth(bounds=("unknown",), causes=(), why="not measured yet"),
    variants=(
        Variant("no_spacing", "volumes that were resampled beforehand: Spacingd left out", patch="no_spacing.py"),
        Variant("cache", "CacheDataset instead of Dataset", arguments=("--cache",)),
    ),
    results=r"average loss: ([\d.]+)",
    workers=(0,),
)
