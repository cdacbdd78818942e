"""accelerate: its example of computer vision under `accelerate launch --cpu`, photos decoded by four workers."""

from scripts.benchmarks.wild.project import Project, Truth, scaled_decode

PROJECT = Project(
    name="accelerate_script",
    requires=("accelerate", "torch", "torchvision", "pillow"),
    command=(
        *("accelerate", "launch", "--cpu", "{files}/cv_example.py", "--data_dir", "{data}/train", "--cpu"),
        *("--num_epochs", "2"),
    ),
    data=("photos.py", "{data}", "--train", "240", "--val", "0", "--size", "1280x960"),
    truth=Truth(
        bounds=("compute", "cpu"),
        causes=(),
        also=("cpu-saturated", "too-many-workers", "oversized-decode", "worker-restart", "thread-oversubscription"),
        places=(),
        why="cached batches make the loop 1.11 and a smaller decode 1.18 times as fast, though a step waits 0 %: the four "
        "workers take cores from the training (one worker: 1.15)",
    ),
    variants=(scaled_decode(200),),
    workers=(0, 1),
    results=r"^(epoch \d.*)$",
)
