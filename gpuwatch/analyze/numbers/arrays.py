"""Columns of raw tables as arrays: missing and unreadable values become NaN, never zero."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuwatch.analyze.numbers.statistics import Array
from gpuwatch.model.recording import ColumnRows, Table
from gpuwatch.store.rows import MixedRows, list_sums


def numbers(table: Table, name: str) -> Array:
    """Return one column as floats. Nanoseconds stay exact up to 2**53 (104 days of uptime)."""
    if name not in table.columns:
        return np.full(len(table), np.nan)
    if isinstance(table.rows, ColumnRows):
        recorded: Array = table.rows.floats(table.columns.index(name))
        return recorded
    return to_floats(table.column(name))


def sums(table: Table, name: str) -> tuple[Array, NDArray[np.int64]]:
    """Return per row the sum of a list of numbers (NaN without any) and how many there are."""
    if name not in table.columns:
        return np.full(len(table), np.nan), np.zeros(len(table), dtype=np.int64)
    at = table.columns.index(name)
    return table.rows.sums(at) if isinstance(table.rows, MixedRows) else list_sums(table.rows, at)


def columns_of(table: Table, names: Iterable[str]) -> dict[str, Array]:
    """Return some columns as floats, by name."""
    return {name: numbers(table, name) for name in names}


def to_floats(values: Sequence[Any]) -> Array:
    """Return values as floats, NaN where they are None or no number."""
    try:
        recorded = np.array(values, dtype=np.float64)
        if recorded.ndim == 1:
            return recorded
    except (TypeError, ValueError):
        pass
    return np.array([_number(value) for value in values], dtype=np.float64)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else float("nan")


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
