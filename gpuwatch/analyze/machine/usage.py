"""Counters of sampled processes: what each used of the machine in a time window."""

from __future__ import annotations

import numpy as np

from gpuwatch.analyze.numbers.arrays import columns_of, numbers, sums
from gpuwatch.analyze.numbers.statistics import Array
from gpuwatch.model.recording import ProcessLog, Table
from gpuwatch.records import dataclass

Window = tuple[float, float]
_FIELDS = ("cpu_ns", "delay_ns", "rss_bytes", "pss_bytes", "threads")


@dataclass(slots=True)
class Usage:
    """One sampled process over time; arrays are parallel, counters cumulative."""

    pid: int
    role: str
    t: Array
    fields: dict[str, Array]

    def growth(self, name: str, window: Window) -> float | None:
        """Return by how much a counter grew in a window; None with fewer than two readings."""
        values = self.inside(name, window)
        return float(values[-1] - values[0]) if len(values) >= 2 else None

    def inside(self, name: str, window: Window) -> Array:
        """Return a column's known values in a window."""
        chosen = (self.t >= window[0]) & (self.t <= window[1]) & np.isfinite(self.fields[name])
        return self.fields[name][chosen]

    def times(self, name: str, window: Window) -> Array:
        """Return when the values of `inside` were read."""
        return self.t[(self.t >= window[0]) & (self.t <= window[1]) & np.isfinite(self.fields[name])]


def read_usage(sampler: ProcessLog | None) -> list[Usage]:
    """Return every sampled process; a pid whose CPU counter falls back was given to another process: two of them."""
    table = sampler.table("process") if sampler else Table("process", (), [])
    if not len(table):
        return []
    pid, t = numbers(table, "pid"), numbers(table, "t")
    columns, roles = columns_of(table, _FIELDS), table.column("role")
    order = np.lexsort((t, pid))
    same_pid = np.diff(pid[order]) == 0
    restarted = np.diff(columns["cpu_ns"][order]) < 0
    starts = np.concatenate(([0], np.flatnonzero(~same_pid | restarted) + 1))
    parts = np.split(order, starts[1:])
    return [
        Usage(
            int(pid[part[0]]), str(roles[part[-1]]), t[part], {name: values[part] for name, values in columns.items()}
        )
        for part in parts
        if np.isfinite(pid[part[0]])
    ]


def counter_rate(table: Table, name: str, window: Window) -> float | None:
    """Return a cumulative column's growth per nanosecond in a window; None with fewer than two readings."""
    t, values = numbers(table, table.columns[0]) if table.columns else np.zeros(0), numbers(table, name)
    chosen = np.flatnonzero((t >= window[0]) & (t <= window[1]) & np.isfinite(values))
    if len(chosen) < 2 or t[chosen[-1]] <= t[chosen[0]]:
        return None
    return float((values[chosen[-1]] - values[chosen[0]]) / (t[chosen[-1]] - t[chosen[0]]))


def cores_used(usage: Usage, window: Window) -> float | None:
    """Return how many cores a process used over the window, idle or gone for the rest of it counts as zero.

    None for a process that was not seen twice."""
    times = usage.times("cpu_ns", window)
    grown = usage.growth("cpu_ns", window)
    length = window[1] - window[0]
    if grown is None or length <= 0:
        return None
    # The readings at the edges are up to a tick inside the window.
    seen = float(times[-1] - times[0])
    return grown / (length if seen < 0.5 * length else seen)


def other_cores(sampler: ProcessLog | None, usages: list[Usage], window: Window) -> float | None:
    """Return the cores that programs outside of the run used over a window; None with fewer than two samples in it."""
    table = sampler.table("cpu") if sampler else Table("cpu", (), [])
    t, (busy, _) = numbers(table, "t"), sums(table, "busy")
    inside = busy[(t >= window[0]) & (t <= window[1]) & np.isfinite(busy)]
    if len(inside) < 2:
        return None
    used = [cores_used(usage, window) for usage in usages]
    return max(float(inside.mean()) - sum(cores for cores in used if cores is not None), 0.0)


def sampled_window(sampler: ProcessLog | None, window: Window) -> Window:
    """Widen a window to the samples next to it when fewer than three lie inside: a short loop is better described by the
    second around it than by nothing."""
    t = np.sort(numbers(sampler.table("tick"), "t")) if sampler else np.zeros(0)
    if not len(t) or ((t >= window[0]) & (t <= window[1])).sum() >= 3:
        return window
    before, after = t[t <= window[0]], t[t >= window[1]]
    return float(before[-1] if len(before) else window[0]), float(after[0] if len(after) else window[1])
