"""What loader workers did during a look: busy, blocked or waiting for indices, by their stacks and CPU counters."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from gpuwatch.analyze.attached.loops import Stack
from gpuwatch.analyze.attached.states import MAIN
from gpuwatch.analyze.lines.frames import activity_of
from gpuwatch.analyze.machine.usage import Usage, Window
from gpuwatch.analyze.numbers.arrays import numbers
from gpuwatch.model.recording import ProcessLog
from gpuwatch.records import dataclass

WORK = ("fetch", "collate")
_TICK_NS = 2e8
# What the numbers of batches have to go forward by to tell a pace; in a short span (s) less, where some of these agree.
_FEWEST_BATCHES, _FEWEST_SHORT, _SHORT_S, _FEWEST_RATES, _AGREE = 5, 3, 2.0, 2, 2.0


@dataclass(slots=True)
class Working:
    """Samples of those that make a loader's batches: the workers, or the trainer itself.

    `ticks`: of the main threads; `sent`: of threads that serialise; `waited` and `at_work_in_wait`: of the main threads
    while the trainer waited."""

    pids: tuple[int, ...]
    counts: Counter[str] = field(default_factory=Counter)
    ticks: int = 0
    sent: int = 0
    waited: float = 0.0
    at_work_in_wait: float = 0.0

    @property
    def busy(self) -> float | None:
        """The share of their time in which they make batches; None where none was seen."""
        return sum(self.counts[name] for name in WORK) / self.ticks if self.ticks else None

    @property
    def in_wait(self) -> float | None:
        """The share of the time in which the trainer waits for a batch that one of them makes one; None without any."""
        return self.at_work_in_wait / self.waited if self.waited > 0 else None

    def share(self, activity: str) -> float:
        """Return the share of their work that is of an activity."""
        work = sum(self.counts[name] for name in WORK)
        return self.counts[activity] / work if work else 0.0


def working_of(pids: Sequence[int], stacks: Sequence[tuple[Mapping[str, Any], Stack]]) -> Working:
    """Return what the samples of these processes say."""
    found, mine = Working(tuple(pids)), set(pids)
    for row, frames in stacks:
        if row.get("pid") not in mine:
            continue
        weight, activity = int(row.get("weight") or 0), activity_of(frames)
        if row.get("tid") != MAIN:
            found.sent += weight if activity == "serialise" else 0
            continue
        found.ticks += weight
        found.counts[activity] += weight
        waited = float(row.get("main_in_wait") or 0)
        found.waited += waited
        found.at_work_in_wait += waited if activity in WORK else 0.0
    return found


def alive_at_once(pids: Sequence[int], sampler: ProcessLog | None) -> int:
    """Return how many of these processes lived at the same time, at most; all of them where they were not counted."""
    table = sampler.table("process") if sampler else None
    counted: dict[float, set[int]] = defaultdict(set)
    if table is not None:
        for pid, t in zip(table.column("pid"), table.column("t"), strict=True):
            if pid in pids:
                # The rows of one tick are read one after the other.
                counted[round(t / _TICK_NS)].add(pid)
    return max(map(len, counted.values()), default=0) or len(pids)


class Used(NamedTuple):
    """What processes used over a window, together (s, bytes); None where the kernel did not say."""

    cpu_s: float | None
    delay_s: float | None
    read_bytes: float | None
    rchar: float | None


def used_by(pids: Sequence[int], usages: Sequence[Usage], sampler: ProcessLog | None, window: Window) -> Used:
    """Return the CPU time, the waiting for a core and the reading of these processes over a window."""
    mine = [usage for usage in usages if usage.pid in set(pids)]
    cpu, delay = (_scaled(mine, name, window) for name in ("cpu_ns", "delay_ns"))
    read, rchar = (_grown(pids, sampler, name, window) for name in ("read_bytes", "rchar"))
    return Used(None if cpu is None else cpu / 1e9, None if delay is None else delay / 1e9, read, rchar)


def _scaled(usages: Sequence[Usage], name: str, window: Window) -> float | None:
    """Return the growth of a counter over the whole window: readings begin and end up to a tick inside of it."""
    total, known = 0.0, False
    for usage in usages:
        times, grown = usage.times(name, window), usage.growth(name, window)
        if grown is None or len(times) < 2 or times[-1] <= times[0]:
            continue
        known, seen = True, float(times[-1] - times[0])
        whole = window[1] - window[0]
        total += grown * (whole / seen if seen >= 0.5 * whole else 1.0)
    return total if known else None


def _grown(pids: Sequence[int], sampler: ProcessLog | None, name: str, window: Window) -> float | None:
    if sampler is None:
        return None
    table = sampler.table("process")
    pid, t, values = numbers(table, "pid"), numbers(table, "t"), numbers(table, name)
    total, known = 0.0, False
    for one in pids:
        chosen = (pid == one) & (t >= window[0]) & (t <= window[1]) & (values == values)
        if chosen.sum() >= 2:
            known = True
            total += float(values[chosen].max() - values[chosen].min())
    return total if known else None


class Pace(NamedTuple):
    """Batches a second by the numbers of batches that workers had to make, and what else their frames tell."""

    batches_per_s: float | None
    facts: Mapping[str, Any]


def pace_of(pids: Sequence[int], logs: Sequence[ProcessLog]) -> Pace:
    """Return how fast a loader's workers are asked to make batches. A worker's numbers are those of the whole loader, and
    begin again with each epoch."""
    rows = [row for log in logs for row in log.table("loading").dicts() if row.get("pid") in set(pids)]
    facts: dict[str, Any] = {}
    for row in rows:
        facts |= {name: value for name, value in row.items() if value is not None}
    readings: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for row in rows:
        if row.get("index") is not None:
            readings[int(row["pid"])].append((float(row["t"]), int(row["index"])))
    spans = [
        ((after - before) / 1e9, last - first)
        for each in readings.values()
        for (before, first), (after, last) in pairwise(sorted(each))
    ]
    return Pace(_batches_per_s(spans), facts)


def _batches_per_s(spans: Sequence[tuple[float, int]]) -> float | None:
    """Return the pace by how far the numbers went in how many seconds. Where an epoch ended in one span it may have ended
    in others unseen: then only the short ones count, and only where they agree."""
    known = [span for span in spans if span[0] > 0]
    if not known:
        return None
    if all(made >= 0 for _, made in known):
        whole, made = sum(seconds for seconds, _ in known), sum(made for _, made in known)
        return made / whole if made >= _FEWEST_BATCHES else None
    rates = [made / seconds for seconds, made in known if made >= _FEWEST_SHORT and seconds <= _SHORT_S]
    if len(rates) < _FEWEST_RATES or max(rates) > _AGREE * min(rates):
        return None
    return float(np.median(rates))
