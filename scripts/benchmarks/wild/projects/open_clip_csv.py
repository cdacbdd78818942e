"""open-clip-torch: its training main on a table of photos and captions, with its four workers."""

from scripts.benchmarks.wild.project import Project, Truth, scaled_decode

PROJECT = Project(
    name="open_clip_csv",
    requires=("open_clip_torch[training]", "torch", "torchvision"),
    command=(
        *("python", "-m", "open_clip_train.main", "--train-data", "{data}/train.csv", "--val-data", "{data}/val.csv"),
        *("--csv-separator", ",", "--csv-caption-key", "caption", "--model", "local-dir:{data}/model"),
        *("--device", "cpu", "--precision", "fp32", "--batch-size", "16", "--epochs", "2", "--warmup", "10"),
        *("--log-every-n-steps", "1", "--name", "run"),
    ),
    data=("captions.py", "{data}", "--train", "240", "--val", "32", "--size", "1024x768"),
    truth=Truth(
        bounds=("unknown",),
        causes=(),
        why="0 % of the loop waited for four workers in one run beside others' work; ablations not measured yet",
    ),
    variants=(scaled_decode(160),),
    workers=(0, 1),
    results=r"Contrastive_loss: ([\d.]+)",
)
