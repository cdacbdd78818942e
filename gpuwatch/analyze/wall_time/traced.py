"""When a trainer's steps were traced by torch.profiler: these steps are left out of the figures, and what opening and
closing the windows took is no part of the training."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpuwatch.analyze.numbers.statistics import Array
from gpuwatch.analyze.processes.sorting import Trainer


class Window(NamedTuple):
    """One window as the hook wrote it: its last row, and from when to when it was (ns)."""

    row: dict[str, Any]
    start_ns: float
    end_ns: float

    @property
    def is_closed(self) -> bool:
        """Whether it was closed with its trace written."""
        return self.row.get("state") == "closed" and self.row.get("close_ns") is not None

    @property
    def handling_ns(self) -> float:
        """What opening and closing it took."""
        return float(self.row.get("open_ns") or 0) + float(self.row.get("close_ns") or 0)


def rows_of(trainer: Trainer) -> list[dict[str, Any]]:
    """Return what the hook wrote of windows."""
    return trainer.log.table("gpu_trace").dicts()


def windows_of(trainer: Trainer) -> list[Window]:
    """Return a trainer's windows in their order; one that was never closed lasts until the process ends."""
    last = {row["file"]: row for row in rows_of(trainer) if row.get("file") and row.get("t0")}
    return [_window(row, trainer) for row in last.values()]


def _window(row: dict[str, Any], trainer: Trainer) -> Window:
    start, shift = float(row["t0"]) + trainer.shift_ns, trainer.shift_ns
    ended = row.get("t1") or (row.get("t") if row.get("state") != "open" else None)
    return Window(row, start, float(ended) + shift if ended else trainer.end_ns)


def traced(trainer: Trainer, begin: Array, end: Array) -> NDArray[np.bool_]:
    """Say of each stretch of time whether some of it lies in a window, or just after one."""
    found = np.zeros(len(begin), dtype=bool)
    for window in windows_of(trainer):
        found |= (begin <= window.end_ns) & (end >= window.start_ns)
    return found


def handling_seconds(trainer: Trainer) -> float:
    """Return what opening and closing the windows took."""
    return sum(window.handling_ns for window in windows_of(trainer)) / 1e9
