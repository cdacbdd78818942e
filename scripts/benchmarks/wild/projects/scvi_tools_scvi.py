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
        why="the stamps of a calm run show 3.5 % of the steps waiting, without worker processes: cached batches can win "
        "1.04x at most; the ablations are not run yet",
    ),
    variants=(Variant("dense", "the counts are made dense before the training", arguments=("--dense",)),),
    results=r"elbo ([\d.]+)",
    workers=(2,),
)
