"""lightning driven by hydra, as lightning-hydra-template does: MNIST's files, random_split, no worker process."""

from scripts.benchmarks.wild.project import Place, Project, Truth, Variant

PROJECT = Project(
    name="lightning_hydra",
    requires=("lightning", "hydra-core", "torch", "torchvision"),
    command=("python", "{files}/src/train.py", "data_dir={data}", "trainer.max_epochs=4"),
    data=("digits.py", "{data}", "6000", "1000"),
    truth=Truth(
        bounds=("input",),
        causes=("per-item-access", "expensive-transform", "no-worker-processes"),
        also=("slow-dataset-code", "evaluation-share"),
        places=(Place("src/data/mnist_datamodule.py"),),
        why="cached 1.9x a step (once, while others used a core: to be measured again; what one worker and kept digits "
        "are worth was lost in the noise)",
    ),
    variants=(
        Variant("one worker", "one worker process that is kept", ("data.num_workers=1",)),
        Variant("kept digits", "each digit transformed once, then kept", patch="kept.py"),
    ),
    workers=(2,),
    results=r"^(\S+ [\d.]+)$",
)
