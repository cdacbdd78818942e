"""anomalib: Ganomaly on a folder of photographs, by Folder and Engine."""

from scripts.benchmarks.wild.project import Project, Truth, Variant

SCALED_DECODE = Variant(
    "scaled decode",
    "JPEGs decoded at a smaller scale",
    patch="scaled_decode.py",
    environment=(("SCALED_TO", "256"),),
)

PROJECT = Project(
    name="anomalib_folder",
    requires=("anomalib",),
    command=("python", "{files}/train.py", "{data}", "2", "2"),
    data=("defects.py", "{data}", "--good", "80", "--bad", "8"),
    truth=Truth(bounds=("unknown",), causes=(), why="not measured yet"),
    variants=(SCALED_DECODE,),
    results=r"image_AUROC\D*([\d.]+)",
)
