"""A stack sample, placed: whose process, in what activity, on which of the user's lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal, NamedTuple

from gpuwatch.analyze.lines.frames import Frame
from gpuwatch.analyze.lines.model_calls import IN_MODEL, Part
from gpuwatch.model.hot_lines import Callee
from gpuwatch.words.source_code import package_of

LOADER_WORK = ("fetch", "collate", "serialise")
BEFORE = ("startup", "importing")
NO_WORK = ("idle", "wait", "shutdown")
Role = Literal["worker", "trainer"]


class Sample(NamedTuple):
    """Some equal samples of one process: the line they stood on and in what activity. Weights are sample counts,
    `seconds` is the time they stand for. `makes`: the class made there, when they were in library code of its. `part`: of
    a trainer's step; `callback`: what of a framework's loop they were in, outside of the model."""

    pid: int
    role: Role
    activity: str
    file: str
    line: int
    function: str
    callee: Callee | None
    makes: str | None
    stack: tuple[Frame, ...]
    weight: float
    seconds: float
    awaited: float
    blocked: float | None
    part: Part = "own"
    callback: str | None = None


# So many frames below a line at most make the path by which the kinds of step of a framework's loop are told apart.
_DEEPEST = 24
Path = tuple[tuple[str, int], ...]


def settle_long_steps(samples: Sequence[Sample]) -> list[Sample]:
    """Give each of the trainer's lines one kind of step, the one that most of its samples fell in: a sample's time is
    known to a tenth of a second or so. Of a line that runs a framework's loop each path down to torch has its own."""
    drivers = {(s.file, s.line) for s in samples if s.part in IN_MODEL and _path(s, deep=True)[1:]}
    paths = [_path(s, deep=(s.file, s.line) in drivers) if _is_step(s) else () for s in samples]
    long: dict[Path, float] = defaultdict(float)
    for sample, path in zip(samples, paths, strict=True):
        if path:
            long[path] += sample.weight if sample.activity == "long step" else -sample.weight
    return [
        sample._replace(activity="long step" if long[path] > 0 else "step") if path else sample
        for sample, path in zip(samples, paths, strict=True)
    ]


def _is_step(sample: Sample) -> bool:
    return sample.role == "trainer" and sample.activity in ("step", "long step")


def _path(sample: Sample, deep: bool) -> Path:
    """Return a sample's line and, where that is asked for, those below it until torch is called."""
    path: Path = ((sample.file, sample.line),)
    places = [(frame.file, frame.line) for frame in sample.stack]
    if not deep or path[0] not in places:
        return path
    below = sample.stack[len(places) - places[::-1].index(path[0]) :][:_DEEPEST]
    torch = next((i for i, frame in enumerate(below) if package_of(frame.file) == "torch"), len(below))
    return (*path, *((frame.file, frame.line) for frame in below[:torch]))
