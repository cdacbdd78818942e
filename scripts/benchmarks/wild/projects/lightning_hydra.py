"""lightning driven by hydra, as lightning-hydra-template does: MNIST's files, random_split, no worker process."""

from scripts.benchmarks.wild.project import Project, Truth, Variant

PROJECT = Project(
    name="lightning_hydra",
    requires=("lightning", "hydra-core", "torch", "torchvision"),
    command=("python", "{files}/src/train.py", "data_dir={data}", "trainer.max_epochs=4"),
    data=("digits.py", "{data}", "6000", "1000"),
    truth=Truth(bounds=("unknown",), causes=(), why="not measured yet"),
    variants=(
        Variant("one worker", "one worker process that is kept", ("data.num_workers=1",)),
        Variant("kept digits", "each digit transformed once, then kept", patch="kept.py"),
    ),
    workers=(2,),
    results=r"^(\S+ [\d.]+)$",
)
