"""ultralytics: `yolo detect train` of YOLOv8n from its configuration."""

from scripts.benchmarks.wild.project import Project, Truth, Variant

SCALED_DECODE = Variant(
    "scaled decode",
    "JPEGs decoded at a smaller scale",
    patch="scaled_decode.py",
    environment=(("SCALED_TO", "192"),),
)

PROJECT = Project(
    name="ultralytics_detect",
    requires=("ultralytics", "opencv-python-headless"),
    command=(
        "yolo", "detect", "train", "model=yolov8n.yaml", "data={data}/data.yaml", "epochs=4", "imgsz=96", "batch=8",
        "workers=2", "device=cpu", "project={work}/runs", "plots=False", "amp=False", "pretrained=False", "exist_ok=True",
    ),
    data=("yolo_boxes.py", "{data}", "--train", "96", "--val", "16", "--size", "1280x960"),
    truth=Truth(bounds=("unknown",), causes=(), why="not measured yet"),
    variants=(
        Variant("cache=ram", "each picture decoded and scaled once, kept in memory", arguments=("cache=ram",)),
        SCALED_DECODE,
    ),
    results=r"^ +(\d/4 +\S+ +[\d.]+ +[\d.]+ +[\d.]+) .*: 100%",
)  # fmt: skip
