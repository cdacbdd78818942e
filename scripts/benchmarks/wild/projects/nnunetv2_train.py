"""nnU-Net v2: its own commands, a 2D configuration that it planned itself, a trainer of three short epochs."""

from scripts.benchmarks.wild.project import Project, Truth, Variant

TRAIN = ("nnUNetv2_train", "1", "2d", "0", "-device", "cpu", "-tr")

PROJECT = Project(
    name="nnunetv2_train",
    requires=("nnunetv2",),
    command=(*TRAIN, "nnUNetTrainerShort"),
    data=("prepare.py", "{data}", "5", "64x64x16"),
    environment=(
        ("nnUNet_raw", "{data}/raw"),
        ("nnUNet_preprocessed", "{data}/preprocessed"),
        ("nnUNet_results", "results"),
        ("nnUNet_extTrainer", "{files}/trainers"),
    ),
    truth=Truth(
        bounds=("compute", "cpu"),
        causes=(),
        also=("slow-step-code",),
        why="cached batches make the loop 1.04, one augmenting process 1.14 and no augmentation 1.12 times as fast: the augmenting "
        "processes take cores from the training, which hardly waits",
    ),
    variants=(
        Variant("cached", "the same augmented batches again and again: the device's ceiling", patch="cached.py"),
        Variant("workers=1", "1 augmenting process", environment=(("nnUNet_n_proc_DA", "1"),)),
        Variant("no_augmentation", "patches without augmentation", command=(*TRAIN, "nnUNetTrainerShortNoDA")),
    ),
    pace="steps",
)
