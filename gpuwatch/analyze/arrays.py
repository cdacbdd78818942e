"""Columns of raw tables as arrays: missing and unreadable values become NaN, never zero."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpuwatch.analyze.statistics import Array
from gpuwatch.model import Row, Table


def numbers(table: Table, name: str) -> Array:
    """Return one column as floats. Nanoseconds stay exact up to 2**53 (104 days of uptime)."""
    return to_floats(table.column(name))


class Columns:
    """All columns of a large table at once: its rows, scattered in memory, are walked a single time."""

    def __init__(self, table: Table) -> None:
        self._length = len(table)
        width = len(table.columns)
        rows = table.rows
        if any(len(row) != width for row in rows):
            rows = [[*row[:width], *[None] * (width - len(row))] for row in rows]
        self._columns = dict(zip(table.columns, zip(*rows, strict=True), strict=False))

    def numbers(self, name: str) -> Array:
        """Return one column as floats, NaN where it or a value is missing."""
        return to_floats(self._columns[name]) if name in self._columns else np.full(self._length, np.nan)

    def values(self, name: str) -> Sequence[Any]:
        """Return one column as it was written; all None where the table lacks it."""
        return self._columns.get(name) or (None,) * self._length


def to_floats(values: Sequence[Any]) -> Array:
    """Return values as floats, NaN where they are None or no number."""
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        return np.array([_number(value) for value in values], dtype=np.float64)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else float("nan")


def rows_between(table: Table, start_ns: float, end_ns: float, slack_ns: float = 0.0) -> list[Row]:
    """Return the rows whose `t` (or first column) lies in a time window."""
    at = numbers(table, table.columns[0]) if table.columns else np.zeros(0)
    inside = np.flatnonzero((at >= start_ns - slack_ns) & (at <= end_ns + slack_ns))
    return [table.rows[i] for i in inside]


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
