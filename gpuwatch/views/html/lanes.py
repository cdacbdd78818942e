"""The timeline's rows: lanes of one kind are a family (8 GPUs, 64 workers), families in reading order, worst member first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import field

import numpy as np

from gpuwatch.model.timeline import MACHINE, Lane, Timeline
from gpuwatch.records import dataclass
from gpuwatch.views.html.decimate import Floats, Statistics, series, span_columns, statistics
from gpuwatch.views.text import clean
from gpuwatch.words.lanes import (
    CPU_BUSY,
    GPU_BUSY,
    GPU_WAIT,
    INPUT_WAIT,
    LANES,
    STEP,
    TRAINER_LOADING,
    WAITING,
    WORKER,
    LaneKind,
)

SHOWN_FIRST = frozenset({GPU_BUSY, GPU_WAIT, INPUT_WAIT, STEP, WORKER, TRAINER_LOADING, CPU_BUSY})
_READING_ORDER = {key: at for at, key in enumerate(LANES)}
# A mark over all of the run (no GPU, say) marks nothing.
WHOLE = 0.98
IDLE_LABELS = frozenset({WAITING})


@dataclass(frozen=True)
class Member:
    """One lane of a family, ready to be drawn."""

    name: str
    statistics: Statistics | None
    times: Floats | None = None
    values: Floats | None = None
    spans: Sequence[tuple[float, float, str]] = ()
    labels: tuple[str, ...] = ()
    at_work: float | None = None


@dataclass(frozen=True)
class Family:
    """All lanes of one kind. `worst_first` is the order of `members`."""

    of: LaneKind
    help: str
    members: tuple[Member, ...]
    labels: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return the kind's title."""
        return clean(self.of.title)

    @property
    def kind(self) -> str:
        """Return `line` or `spans`."""
        return self.of.shape

    @property
    def unit(self) -> str:
        """Return the unit of the values."""
        return clean(self.of.unit)

    @property
    def shown(self) -> bool:
        """Return whether it is open at first."""
        return self.of in SHOWN_FIRST

    @property
    def title(self) -> str:
        """Return the name as a heading: `Workers`, `Input wait`."""
        several = "s" if self.of.numbered and len(self.members) > 1 else ""
        return f"{self.name[:1].upper()}{self.name[1:]}{several}"


@dataclass(frozen=True)
class Mark:
    """An instant or stretch that all lanes share: an epoch, an evaluation, a checkpoint, a gap."""

    start_s: float
    end_s: float
    label: str
    of: LaneKind


@dataclass(frozen=True)
class Lanes:
    """The whole timeline as families, and the marks across them."""

    seconds: float
    families: tuple[Family, ...] = ()
    marks: tuple[Mark, ...] = field(default=())

    def family(self, of: LaneKind) -> Family | None:
        """Return the family of a kind; None when nothing of it was recorded."""
        return next((family for family in self.families if family.of == of), None)


def prepare(timeline: Timeline | None) -> Lanes:
    """Return the timeline as families in reading order."""
    if timeline is None or timeline.seconds <= 0:
        return Lanes(0.0)
    grouped: dict[LaneKind, list[Lane]] = {}
    for lane in timeline.lanes:
        if lane.of.shape != "marks":
            grouped.setdefault(lane.of, []).append(lane)
    families = [_family(of, lanes) for of, lanes in grouped.items()]
    families = [family for family in families if family.members]
    return Lanes(timeline.seconds, tuple(sorted(families, key=_rank)), tuple(_marks(timeline)))


def _member_name(lane: Lane, several: bool, groups: int) -> str:
    """Return `GPU 3` for a lane alone in its group, `worker 3` where one group has them all, else both."""
    if not several:
        return "" if lane.group == MACHINE else lane.group
    if groups == 1:
        return lane.name
    return f"{lane.group}, {lane.name}" if lane.of.numbered else lane.group


def _family(of: LaneKind, lanes: list[Lane]) -> Family:
    several, groups = len(lanes) > 1, len({lane.group for lane in lanes})
    members = [_member(lane, clean(_member_name(lane, several, groups))) for lane in lanes]
    members = [member for member in members if member.spans or member.statistics]
    members.sort(key=lambda member: (_badness(member, of.low_is_bad), member.name))
    labels = sorted({label for member in members for label in member.labels}, key=lambda label: label in IDLE_LABELS)
    # A strip's note says what its worker has in hand just now.
    note = next((lane.note for lane in lanes if lane.note and of.shape == "line"), "")
    return Family(of, note or of.about, tuple(members), tuple(labels))


def _member(lane: Lane, name: str) -> Member:
    if lane.of.shape == "line":
        times, values = series(lane.t_s, lane.values)
        return Member(name, statistics(values), times, values)
    starts, ends, labels, number = span_columns(lane.spans)
    total = float((ends - starts).sum())
    busy = float((ends - starts)[~np.isin(number, [at for at, of in enumerate(labels) if of in IDLE_LABELS])].sum())
    return Member(name, None, spans=lane.spans, labels=tuple(labels), at_work=busy / total if total > 0 else None)


def _badness(member: Member, low_is_worse: bool) -> float:
    value = member.statistics.mean if member.statistics else member.at_work
    if value is None or not math.isfinite(value):
        return math.inf
    return value if low_is_worse else -value


def _rank(family: Family) -> tuple[int, str]:
    return _READING_ORDER.get(family.of.key, len(LANES)), family.name.lower()


def _marks(timeline: Timeline) -> list[Mark]:
    marks = []
    for lane in timeline.lanes:
        if lane.of.shape == "marks":
            marks += [Mark(start, end, clean(label), lane.of) for start, end, label in lane.spans]
    reported = {mark for mark in marks if mark.end_s - mark.start_s < WHOLE * timeline.seconds}
    return sorted(reported, key=lambda mark: (mark.start_s, mark.label, mark.end_s, mark.of.key))
