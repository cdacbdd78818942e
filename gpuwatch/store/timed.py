"""Steps that were only timed, back in the form of the `batch` events that they are short for.

A `steps` row has `iterator`, `index` of the first batch, and `times` [t0, t1, t0, t1, ...]. What such a step did was not
noted: every other column is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from gpuwatch.model.recording import Row
from gpuwatch.store.fields import NULL, Column

KIND = "steps"
_NAMES = ("iterator", "index", "times")


def batch_columns(rows: Sequence[Row], columns: Sequence[str], names: Sequence[str]) -> tuple[list[Column] | None, int]:
    """Return the columns of `batch` events, in the order of `names`, and how many rows could not be read.

    `columns`: those of the rows."""
    sound, times = _times(_in_order(rows, columns))
    if times is None or not {"iterator", "index", "t0", "t1"} <= set(names):
        return None, len(rows) - len(sound)
    counts = np.array([len(row[2]) // 2 for row in sound], dtype=np.int64)
    first = np.cumsum(counts) - counts
    missing = np.full(len(times) // 2, NULL, dtype=np.int64)
    reported = {
        "iterator": np.repeat([row[0] for row in sound], counts),
        "index": np.repeat([row[1] for row in sound] - first, counts) + np.arange(len(missing)),
        "t0": times[0::2],
        "t1": times[1::2],
        "end": np.zeros_like(missing),
    }
    return [reported.get(name, missing) for name in names], len(rows) - len(sound)


def _in_order(rows: Sequence[Row], columns: Sequence[str]) -> Sequence[Row]:
    """Return the rows with the values of `_NAMES`, in that order; None for what a row lacks."""
    if tuple(columns[: len(_NAMES)]) == _NAMES:
        return rows
    at = [columns.index(name) if name in columns else len(columns) for name in _NAMES]
    return [[row[position] if position < len(row) else None for position in at] for row in rows]


def _times(rows: Sequence[Row]) -> tuple[Sequence[Row], NDArray[np.int64] | None]:
    """Return the rows that are sound, and all their times, one after the other."""
    try:
        flat = np.array([*chain.from_iterable((row[0], row[1]) for row in rows)])
        times = np.array([*chain.from_iterable(row[2] for row in rows)])
        whole = all(row[2] and len(row[2]) % 2 == 0 for row in rows)
    except (TypeError, ValueError, IndexError, OverflowError):
        whole = False
    if whole and flat.dtype == np.int64 and times.dtype == np.int64:
        return rows, times
    sound = [row for row in rows if _is_sound(row)]
    reported = np.array([*chain.from_iterable(row[2] for row in sound)], dtype=np.int64)
    return sound, reported if sound else None


def _is_sound(row: Row) -> bool:
    if len(row) < 3 or not isinstance(row[2], list) or not row[2] or len(row[2]) % 2:
        return False
    return all(type(value) is int and abs(value) < 2**62 for value in (row[0], row[1], *row[2]))
