"""ultralytics: `yolo classify train` of YOLOv8n-cls from its configuration, on class folders."""

from scripts.benchmarks.wild.project import Place, Project, Truth, scaled_decode

PROJECT = Project(
    name="ultralytics_classify",
    requires=("ultralytics", "opencv-python-headless"),
    command=(
        "yolo", "classify", "train", "model=yolov8n-cls.yaml", "data={data}", "epochs=4", "imgsz=64", "batch=16",
        "workers=2", "device=cpu", "project={work}/runs", "plots=False", "amp=False", "pretrained=False", "exist_ok=True",
    ),
    data=("photos.py", "{data}", "--train", "320", "--val", "32", "--size", "1024x768"),
    truth=Truth(
        bounds=("input",),
        causes=("oversized-decode",),
        also=("expensive-decode", "no-worker-processes"),
        places=(Place("ultralytics/data/dataset.py"), Place("ultralytics/utils/patches.py")),
        why="cached batches make the loop 2.6, two workers 1.4 and decoding at a smaller scale 1.75 times as fast; on a CPU "
        "ultralytics sets the asked workers to 0",
        advice="oversized-decode",
        fix="scaled decode",
    ),
    workers=(2,),
    variants=(scaled_decode(192),),
    results=r"^ +(\d/4 +\S+ +[\d.]+) .*: 100%",
)  # fmt: skip
