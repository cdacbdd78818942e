"""What a cell of each column may hold. An event that is damaged is left out where it is read, so that nothing after it has to
doubt a type or meet a number that no clock and no counter gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gpuwatch.model.recording import Row
from gpuwatch.records import dataclass
from gpuwatch.store.fields import NULL, Cells, Column

# No clock, counter or size is beyond; what is has lost its separators.
LARGEST = 2**63 - 1
_NUMBERS = {int, float, bool, type(None)}


@dataclass(frozen=True, slots=True)
class Shape:
    """What the cells of a column are: `fits` judges many of them, none of which is null."""

    fits: Callable[[Sequence[Any]], bool]
    nested: bool = False


def _are(*types: type) -> Callable[[Sequence[Any]], bool]:
    accepted = set(types)
    return lambda cells: set(map(type, cells)) <= accepted


def _are_numbers(cells: Sequence[Any]) -> bool:
    return set(map(type, cells)) <= _NUMBERS and (not cells or -LARGEST <= min(cells) <= max(cells) <= LARGEST)


def _are_lists_of_numbers(cells: Sequence[Any]) -> bool:
    return _LISTS(cells) and all(_are_numbers([value for value in cell if value is not None]) for cell in cells)


def _are_tables(cells: Sequence[Any]) -> bool:
    return _LISTS(cells) and all(map(_LISTS, cells))


def _are_tables_of_numbers(cells: Sequence[Any]) -> bool:
    return _are_tables(cells) and all(map(_are_lists_of_numbers, cells))


def _are_stacks(cells: Sequence[Any]) -> bool:
    return _are_tables(cells) and all(map(_is_frame, (frame for cell in cells for frame in cell)))


def _is_frame(frame: list[Any]) -> bool:
    return len(frame) >= 3 and type(frame[0]) is type(frame[1]) is str and _are_numbers([frame[2] or 0])


_LISTS = _are(list)
NUMBER, TEXT, ANY = Shape(_are_numbers), Shape(_are(str)), Shape(lambda cells: True, nested=True)
LIST, DICT, NUMBERS = Shape(_LISTS, True), Shape(_are(dict), True), Shape(_are_lists_of_numbers, True)
TABLE, NUMBER_TABLE = Shape(_are_tables, True), Shape(_are_tables_of_numbers, True)
STACK = Shape(_are_stacks, True)

# Columns that hold no number, by name; where two kinds of events use a name for two things, by kind and name.
SHAPES: dict[str | tuple[str, str], Shape] = {
    **dict.fromkeys(("file", "function", "made_file", "made_function", "callee", "name", "key", "kind", "arm"), TEXT),
    **dict.fromkeys(
        ("during", "moment", "start_method", "activity", "note", "why", "reason", "remedy", "source"), TEXT
    ),
    **dict.fromkeys(("role", "uuid", "bus_id", "driver", "error", "tid", "thread", "cwd", "python", "torch"), TEXT),
    **dict.fromkeys(("state", "dataset"), TEXT),
    **dict.fromkeys(("value", "loader", "mig", "gpm", "dataset_kind", "command", "ok", "idle"), ANY),
    **dict.fromkeys(("attributes", "facts", "detail", "why_unsupported"), DICT),
    **dict.fromkeys(("by", "unsupported", "activities"), LIST),
    **dict.fromkeys(("times", "cpus", "marks", "devices"), NUMBERS),
    **dict.fromkeys(("left", "digests", "kept"), TABLE),
    **dict.fromkeys(("operations", "runs"), NUMBER_TABLE),
    "frames": STACK,
    ("iterator", "workers"): NUMBER_TABLE,
    ("worker", "threads"): DICT,
    ("cpu", "busy"): NUMBERS,
    ("gpu_busy", "busy"): NUMBERS,
    ("unentered", "command"): TEXT,
    ("table", "optimizer"): TEXT,
}


def shape_of(kind: str, name: str) -> Shape:
    """Return the shape of a column: a number unless it is declared as something else."""
    return SHAPES.get((kind, name)) or SHAPES.get(name) or NUMBER


class Shapes:
    """The shapes of one file's columns, as its header names these."""

    def __init__(self, columns: Mapping[str, Sequence[str]]) -> None:
        self._of = {kind: [shape_of(kind, name) for name in names] for kind, names in columns.items()}

    def sound(self, kind: Any, rows: list[Row]) -> list[Row]:
        """Return the rows of a kind that can have been written so: all of them, nearly always."""
        shapes = self._of.get(kind) if isinstance(kind, str) else None
        if shapes is None:
            return []
        return rows if _fit(rows, shapes) else [row for row in rows if _fit([row], shapes)]

    def take(self, kind: str, columns: list[Column]) -> bool:
        """Say whether columns of a kind can be taken as they are; cells that hold lists are judged when they are decoded."""
        return all(_column_fits(column, shape) for column, shape in zip(columns, self._of[kind], strict=True))


def _fit(rows: list[Row], shapes: list[Shape]) -> bool:
    if max(map(len, rows), default=0) > len(shapes):
        return False
    return all(
        shape.fits([row[at] for row in rows if at < len(row) and row[at] is not None])
        for at, shape in enumerate(shapes)
    )


def _column_fits(column: Column, shape: Shape) -> bool:
    if isinstance(column, Cells):
        return shape.nested
    if isinstance(column, list):
        return shape.fits([value for value in column if value is not None])
    if shape is not NUMBER and shape is not ANY:
        return bool((column == NULL).all()) if column.dtype == np.int64 else bool(np.isnan(column).all())
    return column.dtype != np.float64 or not bool((np.abs(column) > LARGEST).any())
