"""The threads of a training process: the CPU time of each, and how often each held the interpreter lock."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from gpuwatch.sources.base import Row
from gpuwatch.sources.speedscope import thread_labels

# The lock is looked at where another thread than the main one used so many cores; for so long, so often.
_WORTH_LOOKING, GLANCE_S, HELD_HZ, HELD_S = 0.1, 0.2, 100, 1.0


class Times(NamedTuple):
    """CPU time of a thread, and its time runnable without a core, in ns since it began."""

    cpu_ns: int
    delay_ns: int


def read_times(pid: int, proc: str = "/proc") -> dict[int, Times]:
    """Return the times of each thread of a process, by its kernel id; those of threads that end meanwhile are missing."""
    found: dict[int, Times] = {}
    folder = f"{proc}/{pid}/task"
    try:
        ids = os.listdir(folder)
    except OSError:
        return found
    for name in ids:
        try:
            with open(f"{folder}/{name}/schedstat", "rb") as file:
                cpu, delay, _ = file.read().split()
            found[int(name)] = Times(int(cpu), int(delay))
        except (OSError, ValueError):
            continue
    return found


def used(before: Mapping[int, Times], after: Mapping[int, Times]) -> dict[int, Times]:
    """Return what each thread used between two readings."""
    none = Times(0, 0)
    return {
        tid: Times(now.cpu_ns - before.get(tid, none).cpu_ns, now.delay_ns - before.get(tid, none).delay_ns)
        for tid, now in after.items()
    }


class Meter:
    """What the threads of a process use: for a while before a burst of samples, and during it.

    A thread that ends with the burst, as all do with the process, is taken to have gone on as before it."""

    def __init__(
        self, pid: int, clock: Callable[[], int], read: Callable[[int], dict[int, Times]] = read_times
    ) -> None:
        self.pid, self._clock, self._read = pid, clock, read
        self._made_ns, self._first = clock(), read(pid)
        self._begun_ns, self._second = self._made_ns, self._first

    def is_contended(self) -> bool:
        """Say whether threads beside the main one used enough of the time so far to be asked who holds the lock."""
        now, wall_ns = self._read(self.pid), max(self._clock() - self._made_ns, 1)
        others = sum(time.cpu_ns for tid, time in used(self._first, now).items() if tid != self.pid)
        return others >= _WORTH_LOOKING * wall_ns

    def begin(self) -> None:
        """Note that the burst begins."""
        self._begun_ns, self._second = self._clock(), self._read(self.pid)

    def end(self) -> dict[int, Times]:
        """Return what each thread has used since the burst began."""
        ended_ns, now = self._clock(), self._read(self.pid)
        times = used(self._second, now)
        part = (ended_ns - self._begun_ns) / max(self._begun_ns - self._made_ns, 1)
        for tid, before in used(self._first, self._second).items():
            if tid not in now:
                times[tid] = Times(round(before.cpu_ns * part), round(before.delay_ns * part))
        return times


def held_samples(profile: Mapping[str, Any], pid: int) -> Counter[str]:
    """Return how often each thread of a process held the interpreter lock, by its label."""
    counted: Counter[str] = Counter()
    labels = thread_labels(profile, pid)
    for (_, label), one in zip(labels, profile["profiles"], strict=True):
        counted[label] += len(one["samples"]) if label else 0
    return counted


def rows(
    t0: int, t1: int, pid: int, labels: Mapping[int, str], times: Mapping[int, Times], held: Mapping[str, float] | None
) -> list[Row]:
    """Return a row for each Python thread of a process; `held`: the share of the time that each label held the lock."""
    return [
        ["thread", t0, t1, pid, label, times[tid].cpu_ns, times[tid].delay_ns, held.get(label, 0.0) if held else None]
        for tid, label in labels.items()
        if tid in times
    ]
