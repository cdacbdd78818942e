"""lightning driven by hydra, as lightning-hydra-template does: MNIST's files, random_split, no worker process."""

from scripts.benchmarks.wild.project import Place, Project, Truth, Variant

PROJECT = Project(
    name="lightning_hydra",
    requires=("lightning", "hydra-core", "torch", "torchvision"),
    command=("python", "{files}/src/train.py", "data_dir={data}", "trainer.max_epochs=4"),
    data=("digits.py", "{data}", "6000", "1000"),
    truth=Truth(
        bounds=("input",),
        causes=("per-item-access", "expensive-transform", "slow-dataset-code"),
        also=("no-worker-processes", "evaluation-share"),
        places=(Place("src/data/mnist_datamodule.py"),),
        why="cached batches make the loop 2.8 and digits that are transformed once 2.6 times as fast; one or two workers make "
        "it slower (0.71), as the training computes on both cores",
        advice="no-worker-processes",
        fix="workers=2",
    ),
    variants=(
        Variant("one worker", "one worker process that is kept", ("data.num_workers=1",)),
        Variant("kept digits", "each digit transformed once, then kept", patch="kept.py"),
    ),
    workers=(2,),
    results=r"^(\S+ [\d.]+)$",
)
