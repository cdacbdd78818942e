"""keras on torch: model.fit over a PyDataset that decodes photos, with the threads and processes of its default: none."""

from scripts.benchmarks.wild.project import Place, Project, Truth, Variant, scaled_decode

PROJECT = Project(
    name="keras_torch",
    requires=("keras", "torch", "pillow"),
    command=("python", "{files}/train.py", "{data}/train", "--epochs", "2"),
    data=("photos.py", "{data}", "--train", "240", "--val", "0", "--size", "1280x960"),
    truth=Truth(
        bounds=("input",),
        causes=("oversized-decode", "expensive-decode", "no-worker-processes"),
        also=("slow-dataset-code", "evaluation-share"),
        places=(Place("keras_torch/train.py", "load"), Place("keras_torch/train.py", "__getitem__")),
        why="cached batches make the loop 2.1, a smaller decode 1.69 and two processes 1.05 times as fast",
        advice="oversized-decode",
        fix="scaled decode",
    ),
    variants=(
        scaled_decode(200),
        Variant("two threads", "PyDataset(workers=2)", ("--workers", "2")),
        Variant("two processes", "PyDataset(workers=2, use_multiprocessing=True)", ("--workers", "2", "--processes")),
    ),
    environment=(("KERAS_BACKEND", "torch"),),
    results=r"(?:val_)?loss: ([\d.]+)",
)
