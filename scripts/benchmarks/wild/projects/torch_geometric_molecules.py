"""torch-geometric: graph regression with random-walk encodings; NeighborLoader is not reachable without pyg-lib."""

from scripts.benchmarks.wild.project import Project, Truth, Variant

PROJECT = Project(
    name="torch_geometric_molecules",
    requires=("torch-geometric", "torch"),
    command=("python", "{files}/train.py", "{data}"),
    data=("molecules.py", "{data}", "2000"),
    truth=Truth(bounds=("unknown",), causes=(), why="not measured yet"),
    variants=(
        Variant("pre_transform", "the encodings are computed once, as pre_transform", arguments=("--pre-transform",)),
    ),
    results=r"Loss: ([\d.]+), Val: ([\d.]+)",
    workers=(2,),
)
