"""Name for people what a line of theirs called: "PIL decode", "pandas iloc", "zipfile ZipFile"."""

from __future__ import annotations

import re

from gpuwatch.analyze.lines.frames import Frame
from gpuwatch.model.hot_lines import Callee
from gpuwatch.words.source_code import is_installed, package_of

# What people call the innards of a few libraries: (package, file, function) or (package, class), anywhere in the call.
_SAID = {
    ("PIL", "ImageFile", "load"): "decode",
    ("PIL", "Image", "open"): "open",
    ("multiprocessing", "reduction", "dumps"): "pickling",
    ("multiprocessing", "connection", "send_bytes"): "sending",
}
_SAID_OF_CLASSES = {
    ("pandas", "_iLocIndexer"): "iloc",
    ("pandas", "_LocIndexer"): "loc",
    ("pandas", "_iAtIndexer"): "iat",
    ("pandas", "_AtIndexer"): "at",
}
# Calls that only call what was meant.
_PASSING_ON = {"_wrapped_call_impl", "_call_impl", "decorate_context", "wrapper", "inner"}
_CONTAINERS = {"Compose", "Sequential", "BaseCompose"}
_INLINE = re.compile(r"(\.<locals>)?\.?<(genexpr|listcomp|dictcomp|setcomp|lambda)>")


def callee(below: tuple[Frame, ...]) -> Callee | None:
    """Return what the frames below a line stand for: the first function of a library, with its package."""
    named = next((frame for frame in below if not frame.file.startswith("<")), None)
    if named is None:
        return None
    if package_of(named.file) == "torch" and len(below) > 2:
        # A torch module of another library, or torch's own machinery round it: that library is what was meant.
        named = next(frame for frame in below if package_of(frame.file) == package_of(below[-1].file))
    package = package_of(named.file)
    inside = [frame for frame in below[below.index(named) :] if package_of(frame.file) == package]
    said = next((said for frame in inside if (said := _said(package, frame))), None)
    return Callee(package, said or _called(next((f for f in inside if not _passes_on(f)), named)))


def inner_callee(work: tuple[Frame, ...]) -> Callee | None:
    """Return what a library's dataset, in the frames of making a sample, has called of another package; else itself."""
    whose = package_of(work[0].file) if work else None
    inside = next(
        (i for i, frame in enumerate(work) if is_installed(frame.file) and package_of(frame.file) != whose), 0
    )
    return callee(work[inside:])


def timed_callee(recorded: object) -> Callee | None:
    """Return what the timer in a process has recorded of a call: the function with its module, as Python writes it."""
    if not recorded:
        return None
    library, dot, name = str(recorded).partition(".")
    return Callee(library, name, qualified=True) if dot else Callee("", library)


def _said(package: str, frame: Frame) -> str | None:
    return _SAID.get((package, _stem(frame), frame.name)) or _SAID_OF_CLASSES.get((package, _class(frame) or ""))


def _passes_on(frame: Frame) -> bool:
    return frame.name in _PASSING_ON or _class(frame) in _CONTAINERS


def _called(frame: Frame) -> str:
    """Return a function's name; of a special method, and of a module's forward, the class's (or the file's)."""
    name = frame.name
    if name == "forward" or (name.startswith("__") and name.endswith("__")):
        return (_class(frame) or _stem(frame)).lstrip("_")
    return name if not name.startswith("<") else _INLINE.sub("", frame.function).rpartition(".")[2] or _stem(frame)


def _class(frame: Frame) -> str | None:
    """Return the class of a method; None for a function, and where the sampler does not tell (before Python 3.11)."""
    owner = frame.function.rpartition(".")[0]
    return None if not owner or owner.endswith("<locals>") else owner.rpartition(".")[2]


def _stem(frame: Frame) -> str:
    return re.split(r"[/\\]", frame.file)[-1].removesuffix(".py")
