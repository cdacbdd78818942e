"""The original data in the form that the trainings read: boxes as COCO's, photographs of a size, classes with thumbnails."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

from PIL import Image

from study import textures
from study.data import found, made
from study.options import Options


def resized(options: Options, count: int, width: int, height: int) -> list[Path]:
    """Return `count` JPEG files of one size, made from the photographs in `--data`."""
    sources = found(options.data or Path())

    def make(into: Path) -> None:
        for index in range(count):
            with Image.open(sources[index % len(sources)]) as image:
                image.convert("RGB").resize((width, height)).save(into / f"{index:05d}.jpg", quality=88)

    return found(made(options.made / f"original-{_mark(options.data)}-{count}-{width}x{height}", make))


def classes(options: Options, train: int, test: int) -> Path:
    """Return a folder as `textures.folder` makes it, from up to so many images of each part of ImageNet's folders."""
    source = options.data or Path()
    parts = {"train": (source / "train", train), "test": (source / "val", test)}
    for place, _ in parts.values():
        if not any(child.is_dir() for child in place.glob("*")):
            raise SystemExit(f"{place}: no folder per class in it; {source} needs train/<class>/ and val/<class>/")
    names = sorted(place.name for place in (source / "train").iterdir() if place.is_dir())

    def make(into: Path) -> None:
        for part, (place, most) in parts.items():
            for label, name in enumerate(names):
                for index, path in enumerate(found(place / name)[: max(most // len(names), 1)]):
                    with Image.open(path) as image:
                        for form in textures.FORMATS if part == "test" else ("full size",):
                            textures.save(image.convert("RGB"), into / part, form, label, f"{index:05d}")

    return made(options.made / f"original-{_mark(source)}-classes-{train}-{test}", make)


def _mark(folder: Path | None) -> str:
    """Return a short name for a folder, so that what was made from another one is not taken for it."""
    return hashlib.sha256(str(folder).encode()).hexdigest()[:8]


def detection(options: Options) -> Path:
    """Return a folder with `annotations.json` in COCO's form for COCO or Open Images. Raises SystemExit for neither."""
    data = options.data or Path()
    if (data / "annotations.json").exists():
        return data
    instances = sorted(data.rglob("instances_*.json"))
    tables = sorted(data.rglob("*bbox*.csv"))
    if not instances and not tables:
        raise SystemExit(f"{data}: neither COCO's instances_*.json nor Open Images' *bbox*.csv is in it")
    whole = json.loads(instances[-1].read_text()) if instances else _open_images(data, tables)
    paths = {path.name: str(path) for path in found(data)}
    # Whole paths, because the images may lie in several folders.
    whole["images"] = [
        {**image, "file_name": paths[image["file_name"]]} for image in whole["images"] if image["file_name"] in paths
    ]
    if not whole["images"]:
        raise SystemExit(f"{data}: none of the annotated images is in it")

    def make(into: Path) -> None:
        (into / "annotations.json").write_text(json.dumps(whole))

    return made(options.made / f"original-{_mark(data)}", make)


def _open_images(data: Path, tables: list[Path]) -> dict[str, list[dict[str, object]]]:
    """Return Open Images' boxes, which are shares of the image's sides, as COCO's."""
    paths = {path.stem: path for path in found(data)}
    images: dict[str, dict[str, object]] = {}
    boxes: list[dict[str, object]] = []
    for row in (row for table in tables for row in csv.DictReader(table.open(encoding="utf-8"))):
        path = paths.get(row["ImageID"])
        if path is None:
            continue
        if path.stem not in images:
            with Image.open(path) as image:
                images[path.stem] = {
                    "id": path.stem,
                    "file_name": path.name,
                    "width": image.width,
                    "height": image.height,
                }
        width, height = int(str(images[path.stem]["width"])), int(str(images[path.stem]["height"]))
        left, right, top, bottom = (float(row[name]) for name in ("XMin", "XMax", "YMin", "YMax"))
        box = [left * width, top * height, (right - left) * width, (bottom - top) * height]
        boxes.append({"id": len(boxes), "image_id": path.stem, "category_id": row["LabelName"], "bbox": box})
    return {"images": list(images.values()), "annotations": boxes}
