"""What making a batch consists of, by stacks: shares of the samples, no times of single calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from gpuwatch.analyze.attached.construction import sole_call
from gpuwatch.analyze.attached.loops import Stack
from gpuwatch.analyze.attached.states import MAIN
from gpuwatch.analyze.lines.frames import Frame, activity_of, own_line, work_of
from gpuwatch.model.loader_profile import OperationProfile
from gpuwatch.model.measures import Place
from gpuwatch.words.source_code import is_library, package_of

Kind = Literal["decode", "transform", "dataset", "collate", "serialise"]
_TRANSFORMS = ("/transforms/", "/albumentations/", "/kornia/augmentation/", "/monai/transforms/")
_CONTAINERS = frozenset(
    ("Compose", "Sequential", "BaseCompose", "Module", "BasicTransform", "Transform", "RandomApply", "OneOf", "SomeOf")
)
# Packages, and files of them, whose work is to turn what was read into pixels or samples.
_DECODERS = {
    "PIL": (
        "ImageFile.py",
        "PluginHelper.py",
        "JpegImagePlugin.py",
        "PngImagePlugin.py",
        "WebPImagePlugin.py",
        "/Image.py",
    ),
    "torchvision": ("/io/image.py", "/io/video.py", "/io/video_reader.py"),
    "imageio": (".py",),
    "tifffile": (".py",),
    "soundfile": (".py",),
    "soundfile.py": (".py",),
    "av": (".py",),
    "decord": (".py",),
    "torchcodec": (".py",),
    "turbojpeg": (".py",),
    "simplejpeg": (".py",),
    "pydicom": (".py",),
}
_DECODING = (
    "open",
    "load",
    "decode",
    "read",
    "read_image",
    "decode_image",
    "decode_jpeg",
    "decode_png",
    "imread",
    "convert",
)


def sampled_operations(
    pids: Sequence[int], stacks: Sequence[tuple[Mapping[str, Any], Stack]], per_batch_ms: float, batch: int | None
) -> tuple[OperationProfile, ...]:
    """Return the stages of making a batch, the costliest first; their shares sum to one."""
    counted: Counter[tuple[Kind, str]] = Counter()
    places: dict[tuple[Kind, str], Counter[Place]] = {}
    for row, frames in stacks:
        if row.get("pid") not in pids or (operation := _operation(frames, row.get("tid") == MAIN)) is None:
            continue
        weight = int(row.get("weight") or 0)
        counted[operation] += weight
        line = own_line(frames)
        if line is not None and not is_library(line[0].file):
            at = Place(line[0].file, line[0].line, line[0].function)
            places.setdefault(operation, Counter())[at] += weight
    whole = sum(counted.values())
    files = {frame.file for row, frames in stacks if row.get("pid") in pids for frame in frames}
    return tuple(
        OperationProfile(
            name=name,
            kind=kind,
            share=count / whole,
            ms_per_sample=count / whole * per_batch_ms / (batch or 1),
            where=_where(kind, name, places.get((kind, name)), files),
        )
        for (kind, name), count in counted.most_common()
    )


def _where(kind: Kind, name: str, lines: Counter[Place] | None, files: set[str]) -> Place | None:
    """Return the line that makes a library's transform, where the source has it once; else the line that it was met below."""
    made = sole_call(name, files) if kind == "transform" else None
    return made or (lines.most_common(1)[0][0] if lines else None)


def _operation(frames: Stack, is_main: bool) -> tuple[Kind, str] | None:
    activity = activity_of(frames)
    if activity == "serialise":
        return None if is_main else ("serialise", "serialise")
    if activity not in ("fetch", "collate") or not is_main:
        return None
    work = work_of(frames)
    if activity == "collate":
        return "collate", _collate(frames)
    for frame in reversed(work):
        if _decodes(frame):
            return "decode", f"{package_of(frame.file).removesuffix('.py')} decode"
        owner = frame.function.rpartition(".")[0].rpartition(".")[2]
        if owner.lstrip("_") == owner != "" and owner not in _CONTAINERS and _is_transform(frame):
            return "transform", owner
    return "dataset", _outermost(work)


def _collate(frames: Stack) -> str:
    """Return the function that a loader calls with the samples of a batch."""
    at = max(i for i, frame in enumerate(frames) if frame.is_torch_data and frame.name == "fetch")
    return frames[at + 1].function if at + 1 < len(frames) else "collate"


def _is_transform(frame: Frame) -> bool:
    file = frame.file.replace("\\", "/")
    return is_library(file) and any(part in file for part in _TRANSFORMS)


def _decodes(frame: Frame) -> bool:
    files = _DECODERS.get(package_of(frame.file), ())
    return frame.file.replace("\\", "/").endswith(files) and frame.name in _DECODING if files else False


def _outermost(work: Sequence[Frame]) -> str:
    """Return the class, or the function, that the loader called."""
    called = work[0].function if work else "?"
    return called.rpartition(".")[0].rpartition("<locals>.")[2] or called
