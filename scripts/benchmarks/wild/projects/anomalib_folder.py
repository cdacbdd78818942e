"""anomalib: Ganomaly on a folder of photographs, by Folder and Engine."""

from scripts.benchmarks.wild.project import Project, Truth, scaled_decode

PROJECT = Project(
    name="anomalib_folder",
    requires=("anomalib",),
    command=("python", "{files}/train.py", "{data}", "2", "2"),
    data=("defects.py", "{data}", "--good", "80", "--bad", "8"),
    truth=Truth(
        bounds=("compute", "cpu"),
        causes=(),
        also=("oversized-decode", "expensive-decode", "expensive-transform", "worker-restart", "slow-startup"),
        why="the loader alone is 10 times as fast as the training, yet cached batches make a step 1.17 and a smaller decode 1.30 times "
        "as fast: its workers take cores from the training",
    ),
    variants=(scaled_decode(256),),
    results=r"image_AUROC\D*([\d.]+)",
)
