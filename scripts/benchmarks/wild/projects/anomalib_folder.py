"""anomalib: Ganomaly on a folder of photographs, by Folder and Engine."""

from scripts.benchmarks.wild.project import Project, Truth

PROJECT = Project(
    name="anomalib_folder",
    requires=("anomalib",),
    command=("python", "{files}/train.py", "{data}", "2", "3"),
    data=("defects.py", "{data}", "--good", "120", "--bad", "16"),
    truth=Truth(bounds=("unknown",), causes=(), why="not measured yet"),
    results=r"image_AUROC\D*([\d.]+)",
)
