"""scvi-tools: SCVI on sparse counts, as in its quick start."""

from scripts.benchmarks.wild.project import Project, Truth, Variant

PROJECT = Project(
    name="scvi_tools_scvi",
    requires=("scvi-tools",),
    command=("python", "{files}/train.py", "{data}/cells.h5ad"),
    data=("cells.py", "{data}", "12000", "2000"),
    truth=Truth(
        bounds=("compute",),
        causes=(),
        why="the loader alone is 72 times as fast as the training, cached batches make it 1.06 and two workers 0.69 times as fast",
    ),
    variants=(Variant("dense", "the counts are made dense before the training", arguments=("--dense",)),),
    results=r"elbo ([\d.]+)",
    workers=(2,),
)
