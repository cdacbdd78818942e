"""ultralytics: `yolo detect train` of YOLOv8n from its configuration."""

from scripts.benchmarks.wild.project import Place, Project, Truth, Variant, scaled_decode

PROJECT = Project(
    name="ultralytics_detect",
    requires=("ultralytics", "opencv-python-headless"),
    command=(
        "yolo", "detect", "train", "model=yolov8n.yaml", "data={data}/data.yaml", "epochs=4", "imgsz=96", "batch=8",
        "workers=2", "device=cpu", "project={work}/runs", "plots=False", "amp=False", "pretrained=False", "exist_ok=True",
    ),
    data=("yolo_boxes.py", "{data}", "--train", "96", "--val", "16", "--size", "1280x960"),
    truth=Truth(
        bounds=("input",),
        causes=("oversized-decode",),
        why="cached batches make the loop 1.33, cache=ram 1.55 and decoding at a smaller scale 1.25 times as fast; on a CPU "
        "ultralytics sets the asked 2 workers to 0",
        also=("expensive-decode", "no-worker-processes"),
        places=(Place("ultralytics/data/base.py"), Place("ultralytics/utils/patches.py")),
        advice="oversized-decode",
        fix="scaled decode",
    ),
    workers=(2,),
    variants=(
        Variant("cache=ram", "each picture decoded and scaled once, kept in memory", arguments=("cache=ram",)),
        scaled_decode(192),
    ),
    results=r"^ +(\d/4 +\S+ +[\d.]+ +[\d.]+ +[\d.]+) .*: 100%",
)  # fmt: skip
