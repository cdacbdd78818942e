"""anomalib: Ganomaly on a folder of photographs, by Folder and Engine."""

from scripts.benchmarks.wild.project import Project, Truth, scaled_decode

PROJECT = Project(
    name="anomalib_folder",
    requires=("anomalib",),
    command=("python", "{files}/train.py", "{data}", "2", "2"),
    data=("defects.py", "{data}", "--good", "80", "--bad", "8"),
    truth=Truth(bounds=("unknown",), causes=(), why="not measured yet"),
    variants=(scaled_decode(256),),
    results=r"image_AUROC\D*([\d.]+)",
)
