"""torch-geometric: graph regression with random-walk encodings; NeighborLoader is not reachable without pyg-lib."""

from scripts.benchmarks.wild.project import Place, Project, Truth, Variant

PROJECT = Project(
    name="torch_geometric_molecules",
    requires=("torch-geometric", "torch"),
    command=("python", "{files}/train.py", "{data}"),
    data=("molecules.py", "{data}", "2000"),
    truth=Truth(
        bounds=("input",),
        causes=("expensive-transform",),
        also=("no-worker-processes", "expensive-collate"),
        places=(Place("torch_geometric_molecules/train.py"),),
        why="cached batches make the loop 2.5 and the encoding computed beforehand 2.4 times as fast; two workers make it "
        "slower (0.70), as the training computes on both cores",
        advice="expensive-transform",
        fix="pre_transform",
    ),
    variants=(
        Variant("pre_transform", "the encodings are computed once, as pre_transform", arguments=("--pre-transform",)),
    ),
    results=r"Loss: ([\d.]+), Val: ([\d.]+)",
    workers=(2,),
)
