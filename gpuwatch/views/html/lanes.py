"""The timeline's rows: lanes of one name are a family (8 GPUs, 64 workers), families in reading order, worst member first."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gpuwatch.model.timeline import Lane, Timeline
from gpuwatch.views.html.decimate import Floats, Statistics, series, span_columns, statistics
from gpuwatch.views.text import clean

# What a reader asks first comes first; the word is looked for in the family's name.
ORDER = (
    ("gpu busy", "share of the time in which the GPU ran at least one kernel"),
    ("gpu wait", "the GPU's queue was empty because the next batch was not there"),
    ("input wait", "each step's wait for its batch"),
    ("step time", "from one batch to the next"),
    ("phase", "what the training process did"),
    ("worker", "dark: making a batch, light: waiting for something to do"),
    ("loading in", "the training process itself made its batches"),
    ("cpu busy", "cores in use on the whole machine"),
    ("sm active", "how much of the GPU's chip worked"),
    ("pressure", "share of the time in which something stood still for lack of CPU, IO or memory"),
    ("memory", ""),
    ("process cpu", "cores that each loader worker used"),
    ("power", ""),
    ("throttl", "the driver slowed the GPU down"),
)
LOW_IS_WORSE = ("gpu busy", "sm active", "occupancy", "tensor")
SHOWN_FIRST = ("gpu busy", "gpu wait", "input wait", "step time", "worker", "loading in", "cpu busy")
# A mark over all of the run (no GPU, say) marks nothing.
WHOLE = 0.98
IDLE_LABELS = frozenset({"waiting", "idle", "wait", "index wait"})


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
    """All lanes of one name. `worst_first` is the order of `members`."""

    name: str
    kind: str
    unit: str
    help: str
    shown: bool
    members: tuple[Member, ...]
    labels: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Return the name as a heading: `Workers`, `Input wait`."""
        several = "s" if self.kind == "spans" and len(self.members) > 1 and self.name == "worker" else ""
        return f"{self.name[:1].upper()}{self.name[1:]}{several}"


@dataclass(frozen=True)
class Mark:
    """An instant or stretch that all lanes share: an epoch, an evaluation, a checkpoint, a gap."""

    start_s: float
    end_s: float
    label: str
    family: str


@dataclass(frozen=True)
class Lanes:
    """The whole timeline as families, and the marks across them."""

    seconds: float
    families: tuple[Family, ...] = ()
    marks: tuple[Mark, ...] = field(default=())

    def family(self, word: str) -> Family | None:
        """Return the first family with that word in its name."""
        return next((family for family in self.families if word in family.name.lower()), None)


def prepare(timeline: Timeline | None) -> Lanes:
    """Return the timeline as families in reading order."""
    if timeline is None or timeline.seconds <= 0:
        return Lanes(0.0)
    grouped: dict[tuple[str, str], list[Lane]] = {}
    for lane in timeline.lanes:
        if lane.kind != "marks":
            grouped.setdefault((family_name(lane.name), lane.kind), []).append(lane)
    families = [_family(name, lanes) for (name, _), lanes in grouped.items()]
    families = [family for family in families if family.members]
    return Lanes(timeline.seconds, tuple(sorted(families, key=_rank)), tuple(_marks(timeline)))


def family_name(name: str) -> str:
    """Return a lane's name without the number that tells it from its siblings: `worker 3` is of `worker`."""
    name = clean(name)
    return re.sub(r"\s+", " ", re.sub(r"(?<![\w.])#?\d+(?![\w.])", "", name)).strip(" :,") or name


def member_name(lane: Lane, family: str, several: bool) -> str:
    """Return what tells this lane from the family's others."""
    if not several:
        return lane.group if lane.group and lane.group != "machine" else ""
    own = lane.name if lane.name != family else ""
    return ", ".join(part for part in (lane.group, own) if part) if own not in lane.group else lane.group


def _family(name: str, lanes: list[Lane]) -> Family:
    several = len(lanes) > 1
    groups = {lane.group for lane in lanes}
    members = [_member(lane, clean(_shortest_name(lane, name, several, len(groups)))) for lane in lanes]
    members = [member for member in members if member.spans or member.statistics]
    low = any(word in name.lower() for word in LOW_IS_WORSE)
    members.sort(key=lambda member: (_badness(member, low), member.name))
    labels = sorted({label for member in members for label in member.labels}, key=lambda label: label in IDLE_LABELS)
    shown = any(word in name.lower() for word in SHOWN_FIRST)
    # A strip's note says what its worker has in hand just now.
    note = next((lane.note for lane in lanes if lane.note and lane.kind == "line"), "") or _help(name)
    return Family(name, lanes[0].kind, clean(lanes[0].unit), note, shown, tuple(members), tuple(labels))


def _shortest_name(lane: Lane, family: str, several: bool, groups: int) -> str:
    """Return `GPU 3` for a lane alone in its group, `worker 3` where one group holds them all, else both."""
    if several and groups == 1:
        return lane.name
    return member_name(lane, family, several)


def _member(lane: Lane, name: str) -> Member:
    if lane.kind == "line":
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
    lowered = family.name.lower()
    return next((at for at, (word, _) in enumerate(ORDER) if word in lowered), len(ORDER)), lowered


def _help(name: str) -> str:
    return next((text for word, text in ORDER if word in name.lower()), "")


def _marks(timeline: Timeline) -> list[Mark]:
    marks = []
    for lane in timeline.lanes:
        if lane.kind != "marks":
            continue
        name = family_name(lane.name)
        marks += [Mark(start, end, clean(label), name) for start, end, label in lane.spans]
        marks += [Mark(t, t, clean(lane.name), name) for t in lane.t_s]
    told = {mark for mark in marks if mark.end_s - mark.start_s < WHOLE * timeline.seconds}
    return sorted(told, key=lambda mark: (mark.start_s, mark.label))
