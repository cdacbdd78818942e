"""A stack sample, placed: whose process, in what activity, on which of the user's lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal, NamedTuple

from gpuwatch.analyze.lines.frames import Frame
from gpuwatch.model.hot_lines import Callee

LOADER_WORK = ("fetch", "collate", "serialise")
BEFORE = ("startup", "importing")
NO_WORK = ("idle", "wait", "shutdown")
Role = Literal["worker", "trainer"]


class Sample(NamedTuple):
    """Some equal samples of one process: the line they stood on and in what activity. Weights are sample counts,
    `seconds` is the time they stand for. `makes`: the class made there, when they were in library code of its.
    `below`: where in the called code they were, and what is called there."""

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
    below: Frame | None = None
    below_callee: Callee | None = None


def settle_long_steps(samples: Sequence[Sample]) -> list[Sample]:
    """Give each of the trainer's lines one kind of step, the one that most of its samples fell in: a sample's time is
    known to a tenth of a second or so."""
    long: dict[tuple[str, int], float] = defaultdict(float)
    for sample in samples:
        if sample.role == "trainer" and sample.activity in ("step", "long step"):
            long[sample.file, sample.line] += sample.weight if sample.activity == "long step" else -sample.weight
    return [
        sample._replace(activity="long step" if long[sample.file, sample.line] > 0 else "step")
        if sample.role == "trainer" and sample.activity in ("step", "long step")
        else sample
        for sample in samples
    ]
