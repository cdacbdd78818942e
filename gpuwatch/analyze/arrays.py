"""Columns of raw tables as arrays: missing and unreadable values become NaN, never zero."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from gpuwatch.analyze.statistics import Array
from gpuwatch.model import Row, Table

_CHUNK = 1024


def numbers(table: Table, name: str) -> Array:
    """Return one column as floats. Nanoseconds stay exact up to 2**53 (104 days of uptime)."""
    return to_floats(table.column(name))


class Columns:
    """Columns of a large table: `names` as floats, `kept` as they were written.

    The rows lie scattered in memory; taken a chunk at a time they are in the cache for all of their columns."""

    def __init__(self, table: Table, names: Iterable[str], kept: Iterable[str] = ()) -> None:
        self._length = len(table)
        at = {name: number for number, name in enumerate(table.columns)}
        self._floats = {name: np.full(self._length, np.nan) for name in names}
        self._kept: dict[str, list[Any]] = {name: [] for name in kept}
        wanted = [(values, at[name]) for name, values in self._floats.items() if name in at]
        lists = [(values, at[name]) for name, values in self._kept.items() if name in at]
        for start in range(0, self._length, _CHUNK):
            columns = _transpose(table.rows[start : start + _CHUNK], len(at))
            for floats, number in wanted:
                floats[start : start + _CHUNK] = to_floats(columns[number])
            for values, number in lists:
                values.extend(columns[number])

    def numbers(self, name: str) -> Array:
        """Return a column as floats, NaN where it or a value is missing."""
        return self._floats[name]

    def values(self, name: str) -> Sequence[Any]:
        """Return a column as it was written; all None where the table lacks it."""
        return self._kept[name] or (None,) * self._length


def _transpose(rows: list[Row], width: int) -> list[tuple[Any, ...]]:
    if any(len(row) != width for row in rows):
        rows = [[*row[:width], *[None] * (width - len(row))] for row in rows]
    return list(zip(*rows, strict=True))


def to_floats(values: Sequence[Any]) -> Array:
    """Return values as floats, NaN where they are None or no number."""
    try:
        told = np.array(values, dtype=np.float64)
        if told.ndim == 1:
            return told
    except (TypeError, ValueError):
        pass
    return np.array([_number(value) for value in values], dtype=np.float64)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else float("nan")


def rows_between(table: Table, start_ns: float, end_ns: float, slack_ns: float = 0.0) -> list[Row]:
    """Return the rows whose `t` (or first column) lies in a time window."""
    at = numbers(table, table.columns[0]) if table.columns else np.zeros(0)
    inside = np.flatnonzero((at >= start_ns - slack_ns) & (at <= end_ns + slack_ns))
    return [table.rows[i] for i in inside]


def as_list(value: Any) -> list[Any]:
    """Return a cell that should hold a list; an empty one for anything else."""
    return value if isinstance(value, list) else []


def optional(value: float | None) -> float | None:
    """Return a float, or None for NaN."""
    return None if value is None or not np.isfinite(value) else float(value)


def whole(value: float | None) -> int | None:
    """Return an int, or None for NaN."""
    return None if value is None or not np.isfinite(value) else int(value)


def total(values: Array) -> float | None:
    """Return the sum of the known values; None when none is known."""
    known = values[np.isfinite(values)]
    return float(known.sum()) if len(known) else None
