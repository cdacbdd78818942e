"""Place a stack: the line that a person can act on, and the place below it where the time goes."""

from __future__ import annotations

from typing import NamedTuple

from gpuwatch.analyze.lines.callees import callee, inner_callee
from gpuwatch.analyze.lines.frames import Frame, own_line, split_below, transform_frame, work_of
from gpuwatch.analyze.lines.origins import Origins
from gpuwatch.analyze.lines.samples import LOADER_WORK, NO_WORK
from gpuwatch.analyze.processes.sites import is_foreign
from gpuwatch.model.hot_lines import Callee
from gpuwatch.words.source_code import package_of


class Placed(NamedTuple):
    """`frame`: the line to act on; `makes`: the class made there, where its library's code took the time. `callee`: the
    library function called. `below`: where in it the time goes, and what is called there. `called`: all frames below."""

    frame: Frame
    makes: str | None
    callee: Callee | None
    below: Frame | None
    below_callee: Callee | None
    called: tuple[Frame, ...]


def place(frames: tuple[Frame, ...], activity: str, origins: Origins, pid: int) -> Placed:
    """Return a stack's place. Code of a library's dataset, transform or collate function is of the line that makes it."""
    made = transform_frame(frames, origins.transforms) if activity == "fetch" else None
    if made is not None:
        return _placed(made[0], made[1], callee(made[1]), made[0].function)
    found = own_line(frames, origins.program) if activity not in NO_WORK else None
    frame, below = found or (frames[-1], ())
    site = origins.site(pid, activity) if activity in LOADER_WORK and is_foreign(frame.file, origins.program) else None
    if site is None:
        return _placed(frame, below, callee(below), None)
    if activity != "fetch":
        return _placed(site, (frame, *below), callee(below) or callee((frame,)), None)
    work = work_of(frames)
    return _placed(site, work, inner_callee(work), site.function)


def _placed(frame: Frame, called: tuple[Frame, ...], named: Callee | None, makes: str | None) -> Placed:
    below, deeper = split_below(called)
    return Placed(frame, makes, named, below, _called_below(below or frame, deeper), called)


def _called_below(frame: Frame, deeper: tuple[Frame, ...]) -> Callee | None:
    """Return what is called of another package at the place where the time goes."""
    whose = (package_of(frame.file), "torch")
    other = next((i for i, one in enumerate(deeper) if package_of(one.file) not in whose), None)
    return callee(deeper[other:]) if other is not None else None
