"""Leave the oldest events out of what a live view holds: its memory and its work then stay the same all day."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

import numpy as np

from gpuwatch.model.recording import Row
from gpuwatch.store.rows import MixedRows

# Events that come all the time. Everything else (iterators, workers, operations, devices, gaps, lines) stays.
TIMES = {
    "batch": "t1",
    "tail": "t",
    "fetch": "t1",
    "send": "t1",
    **dict.fromkeys(("tick", "cpu", "memory", "process", "pressure", "cgroup", "gpu", "gpu_busy", "gpu_process"), "t"),
}
# Told with the batches, without a time of its own.
BESIDE_BATCHES = "gpu_wait"
# What is left after leaving some out, so that it is not done at every look.
LEFT = 0.6

Tables = MutableMapping[str, list[Row] | MixedRows]


def count(tables: Tables) -> int:
    """Return how many events that come all the time there are."""
    return sum(len(tables[kind]) for kind in TIMES if kind in tables)


def span(tables: Tables, columns: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return the first and the last time of such events; None without any."""
    ends = [
        time
        for kind, name in TIMES.items()
        if kind in tables and len(tables[kind]) and name in columns.get(kind, ())
        for row in (tables[kind][0], tables[kind][-1])
        if isinstance(time := _time(row, columns[kind].index(name)), (int, float))
    ]
    return (min(ends), max(ends)) if ends else None


def _time(row: Row, at: int) -> Any:
    return row[at] if at < len(row) else None


def forget(tables: Tables, columns: Mapping[str, Any], before: float) -> None:
    """Leave out such events from before a time (of the clock of this file's process)."""
    for kind, name in TIMES.items():
        if kind in tables and name in columns.get(kind, ()):
            at, rows = columns[kind].index(name), tables[kind]
            if isinstance(rows, MixedRows):
                rows.drop(int(np.count_nonzero(rows.floats(at) < before)))
            else:
                # Another list: those who read the last one may still look at it.
                tables[kind] = [row for row in rows if not _is_before(_time(row, at), before)]
    if BESIDE_BATCHES in tables:
        rows, kept = tables[BESIDE_BATCHES], len(tables.get("batch", ()))
        tables[BESIDE_BATCHES] = rows[len(rows) - kept :] if len(rows) > kept else rows


def _is_before(time: Any, before: float) -> bool:
    return isinstance(time, (int, float)) and time < before
