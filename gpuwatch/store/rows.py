"""The events of one kind as they were read: by column where they were many at once, else row by row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
import orjson
from numpy.typing import NDArray

from gpuwatch.model.recording import ColumnRows, Row
from gpuwatch.store.fields import NULL, Cells, Column

Floats = NDArray[np.float64]
# Per row: the sum of its numbers, NaN without any, and how many entries it has.
Sums = tuple[Floats, NDArray[np.int64]]
_CHUNK = 512


class Segment:
    """Some rows, by column."""

    def __init__(self, columns: list[Column]) -> None:
        self.columns = columns
        self._sums: dict[int, Sums] = {}

    def __len__(self) -> int:
        return len(self.columns[0])

    def sums(self, at: int) -> Sums:
        """Return the sum and the length of each list in a column; decoded once."""
        if at not in self._sums:
            column = self.columns[at]
            self._sums[at] = _sums_of_cells(column) if isinstance(column, Cells) else _sums(_values(column))
        return self._sums[at]

    def after(self, count: int) -> Segment:
        """Return all but the first rows; nothing of these is kept in memory."""
        left = [column[count:] for column in self.columns]
        # A part of an array would keep all of it.
        return Segment(
            [
                Cells(c) if isinstance(of, Cells) else c.copy() if isinstance(c, np.ndarray) and c.strides[0] else c
                for c, of in zip(left, self.columns, strict=True)
            ]
        )

    def rows(self, chosen: slice) -> list[Row]:
        """Return some of its rows."""
        values = (_values(Cells(c[chosen]) if isinstance(c, Cells) else c[chosen]) for c in self.columns)
        return [list(row) for row in zip(*values, strict=True)]


Part = Segment | list[Row]


class MixedRows(ColumnRows):
    """Rows in the order they were written, of which long stretches are kept by column. It grows at its end."""

    def __init__(self, rows: list[Row]) -> None:
        self._parts: list[Part] = [rows] if rows else []

    def add(self, columns: list[Column]) -> None:
        """Append rows, given by column."""
        self._parts.append(Segment(columns))

    def append(self, row: Row) -> None:
        """Append one row."""
        if not self._parts or isinstance(self._parts[-1], Segment):
            self._parts.append([])
        last = self._parts[-1]
        assert isinstance(last, list)
        last.append(row)

    def drop(self, count: int) -> None:
        """Leave out the first rows. What was handed out before does not change."""
        while self._parts and count >= len(self._parts[0]):
            count -= len(self._parts.pop(0))
        if count and self._parts:
            first = self._parts[0]
            self._parts[0] = first[count:] if isinstance(first, list) else first.after(count)

    def __len__(self) -> int:
        return sum(len(part) for part in self._parts)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, int):
            at = range(len(self))[index]
            return self[at : at + 1][0]
        start, stop, step = index.indices(len(self))
        if step != 1:
            return list(self)[index]
        return [row for part, begin, end in self._within(start, stop) for row in _rows(part, slice(begin, end))]

    def _within(self, start: int, stop: int) -> Iterator[tuple[Part, int, int]]:
        before = 0
        for part in self._parts:
            begin, end = max(start - before, 0), min(stop - before, len(part))
            if begin < end:
                yield part, begin, end
            before += len(part)

    def __iter__(self) -> Iterator[Row]:
        for part in self._parts:
            yield from _rows(part, slice(None))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and list(self) == list(other)

    def column(self, at: int) -> list[Any]:
        """Return the values of one column; None where a row is too short."""
        found: list[Any] = []
        for part in self._parts:
            if isinstance(part, list):
                found += [row[at] if at < len(row) else None for row in part]
            else:
                found += _values(part.columns[at])
        return found

    def pick(self, at: int, positions: Sequence[int]) -> list[Any]:
        """Return the values of one column in some rows, which are given in ascending order."""
        found: list[Any] = []
        wanted, before = np.asarray(positions, dtype=np.int64), 0
        for part in self._parts:
            first, last = np.searchsorted(wanted, (before, before + len(part)))
            found += _picked(part, at, (wanted[first:last] - before).tolist())
            before += len(part)
        return found

    def floats(self, at: int) -> Floats:
        """Return one column as floats; NaN where there is no number."""
        return np.concatenate([_floats(part, at) for part in self._parts] or [np.zeros(0)])

    def sums(self, at: int) -> Sums:
        """Return the sum and the length of each list in a column."""
        return _joined([part.sums(at) if isinstance(part, Segment) else list_sums(part, at) for part in self._parts])


def list_sums(rows: Sequence[Row], at: int) -> Sums:
    """Return the sum and the length of each list in a column of rows."""
    return _sums([row[at] if at < len(row) else None for row in rows])


def _decoded(cells: Sequence[bytes]) -> list[Any]:
    try:
        reported: list[Any] = orjson.loads(b"[%b]" % b",".join(cells))
        return reported
    except ValueError:
        return Cells(cells).decoded()


def _sums_of_cells(cells: Cells) -> Sums:
    return _joined([_sums(_decoded(cells[start : start + _CHUNK])) for start in range(0, len(cells), _CHUNK)])


def _sums(lists: Sequence[Any]) -> Sums:
    """Return the sums and lengths of lists of numbers; of anything else NaN and 0."""
    try:
        table = np.array(lists, dtype=np.float64)
        if table.ndim == 2:
            return np.nansum(table, axis=1), np.full(len(table), table.shape[1])
    except (TypeError, ValueError):
        pass
    reported = [value if isinstance(value, list) else [] for value in lists]
    sums = [sum(n for n in value if isinstance(n, (int, float)) and n == n) if value else np.nan for value in reported]
    return np.array(sums, dtype=np.float64), np.array([len(value) for value in reported], dtype=np.int64)


def _joined(parts: list[Sums]) -> Sums:
    sums, counts = zip(*parts, strict=True) if parts else ((), ())
    return np.concatenate([np.zeros(0), *sums]), np.concatenate([np.zeros(0, dtype=np.int64), *counts])


def _rows(part: Part, chosen: slice) -> list[Row]:
    return part[chosen] if isinstance(part, list) else part.rows(chosen)


def _picked(part: Part, at: int, positions: list[int]) -> list[Any]:
    if isinstance(part, list):
        return [part[i][at] if at < len(part[i]) else None for i in positions]
    column = part.columns[at]
    if isinstance(column, Cells):
        return _decoded([column[i] for i in positions])
    return _values(column[positions] if isinstance(column, np.ndarray) else [column[i] for i in positions])


def _values(column: Column) -> list[Any]:
    if isinstance(column, Cells):
        return column.decoded()
    if isinstance(column, list):
        return column
    values: list[Any] = column.tolist()
    if column.dtype == np.int64:
        return [None if value == NULL else value for value in values] if (column == NULL).any() else values
    return [None if value != value else value for value in values]


def _floats(part: Part, at: int) -> Floats:
    if isinstance(part, list):
        return _to_floats([row[at] if at < len(row) else None for row in part])
    column = part.columns[at]
    if not isinstance(column, np.ndarray):
        return _to_floats(_values(column))
    floats = column.astype(np.float64)
    if column.dtype == np.int64:
        floats[column == NULL] = np.nan
    return floats


def _to_floats(values: list[Any]) -> Floats:
    return np.array([value if isinstance(value, (int, float)) else np.nan for value in values], dtype=np.float64)
