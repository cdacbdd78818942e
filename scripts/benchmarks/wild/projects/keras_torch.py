"""keras on torch: model.fit over a PyDataset that decodes photos, with the threads and processes of its default: none."""

from scripts.benchmarks.wild.project import Project, Truth, Variant

PROJECT = Project(
    name="keras_torch",
    requires=("keras", "torch", "pillow"),
    command=("python", "{files}/train.py", "{data}/train", "--epochs", "4"),
    data=("photos.py", "{data}", "--train", "160", "--val", "0", "--size", "1600x1200"),
    truth=Truth(bounds=("unknown",), causes=(), why="not measured yet"),
    variants=(
        Variant(
            "draft",
            "JPEG files decoded at a quarter of their size",
            (),
            (),
            (("DRAFT_SIDE", "256"),),
            "../patches/draft.py",
        ),
        Variant("two threads", "PyDataset(workers=2)", ("--workers", "2")),
        Variant("two processes", "PyDataset(workers=2, use_multiprocessing=True)", ("--workers", "2", "--processes")),
    ),
    environment=(("KERAS_BACKEND", "torch"),),
    results=r"(?:val_)?loss: ([\d.]+)",
)
