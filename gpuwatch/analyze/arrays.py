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
