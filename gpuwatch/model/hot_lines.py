"""Source lines with the share of the work they cost, and how far to trust the samples."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from gpuwatch.model.measures import Place


@dataclass(frozen=True, slots=True)
class HotLine:
    """A source line with the share of its role's work it costs.

    `share`: of the role's samples that were work (loader work for workers). `waited_share`: of the samples taken
    while the trainer waited for this worker's batch. `callee`: the library function below it, for people.
    `activity` of its process at that instant: fetch | collate | serialise (making batches), step | long step | evaluation
    (in a loop), between loops (share of the time there), startup | importing (before the first batch; a trainer's share
    is of all the time until then, seen or not).
    `blocked_share`: samples asleep or in a blocking call, None where neither the samples nor the CPU time of their
    process tell. `makes`: the dataset's or transform's class that this line makes, where its library code took the time."""

    file: str
    line: int
    function: str
    process_role: Literal["worker", "trainer"]
    share: float
    seconds: float
    waited_share: float | None
    activity: str
    callee: str | None
    source: str | None
    samples: int
    speedup_if_free: float | None = None
    blocked_share: float | None = None
    stack: tuple[str, ...] = ()
    makes: str | None = None


_CALL = re.compile(r"^(\S+) \((.*):(\d+)\)$")


def read_call(entry: str) -> Place | None:
    """Read an entry of `HotLine.stack`, `function (file:line)`; None for one that is none."""
    told = _CALL.match(entry)
    return Place(told[2], int(told[3]), told[1]) if told else None


@dataclass(frozen=True, slots=True)
class StackQuality:
    """Who took the stack samples, how many, and how far to trust them."""

    sampler: Literal["py-spy", "timer", "none"]
    samples: int
    trust: Literal["high", "medium", "low", "none"]
    note: str
