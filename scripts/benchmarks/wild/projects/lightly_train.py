"""lightly-train: self-supervised pretraining of a small ResNet by its command line."""

from scripts.benchmarks.wild.project import Project, Truth, scaled_decode

PROJECT = Project(
    name="lightly_train",
    requires=("lightly-train",),
    command=(
        "lightly-train", "pretrain", "out=out", "data={data}/train", "model=torchvision/resnet18", "method=simclr",
        "epochs=3", "batch_size=16", "num_workers=2", "accelerator=cpu", "devices=1", "overwrite=True", "seed=1",
        "transform_args.image_size=[48,48]",
    ),
    data=("photos.py", "{data}", "--train", "160", "--val", "0", "--size", "800x600"),
    truth=Truth(
        bounds=("compute", "cpu"),
        causes=(),
        why="1 % of a step is asking for its batch; the first batches of its three epochs take 1.5 of the loop's 13 s; the "
        "ablations are still to be run",
        also=("cpu-saturated", "thread-oversubscription", "too-many-workers"),
    ),
    variants=(scaled_decode(192),),
    results=r"train_loss[^0-9]*([\d.]+)",
)  # fmt: skip
