"""Give a notebook's cells the names that people know: `cell [3]` for /tmp/ipykernel_9732/3117947820.py.

The hook has recorded each cell's number and text. Here, where a recording is read, every place in a cell gets the
cell's name, and Python's cache of lines its text, so that what comes after sees a file like any other.
"""

from __future__ import annotations

import linecache
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gpuwatch.model.recording import ProcessLog, Table
from gpuwatch.words.source_code import is_cell

# Kinds of events with places in source code, and their columns with files.
_FILES = {
    "iterator": ("file", "made_file"),
    "op": ("file",),
    "line": ("file",),
    "span": ("file",),
    "asked": ("file",),
    "workers_stop": ("file",),
}
_IN_ATTRIBUTES = ("dataset_file", "dataset_made", "sampler_file", "worker_init")


def name_cells(logs: Sequence[ProcessLog]) -> tuple[ProcessLog, ...]:
    """Return the logs with their cells named; as they are when no cell was recorded."""
    names = _names(logs)
    return tuple(_named(log, names) for log in logs) if names else tuple(logs)


def _names(logs: Sequence[ProcessLog]) -> dict[str, str]:
    names = {}
    for log in logs:
        for row in log.table("meta").dicts() if log.writer == "hook" else ():
            cell = row.get("value")
            if row.get("key") == "cell" and isinstance(cell, dict) and is_cell(str(cell.get("file"))):
                file, number = str(cell["file"]), cell.get("number")
                names[file] = f"cell [{number}]" if isinstance(number, int) else file
                _keep_text(names[file], cell.get("lines"))
    return names


def _keep_text(name: str, lines: Any) -> None:
    text = [f"{line}\n" for line in lines] if isinstance(lines, list) else []
    # Without a time of its own an entry is never looked for on the disk.
    linecache.cache[name] = (sum(map(len, text)), None, text, name)


def _named(log: ProcessLog, names: Mapping[str, str]) -> ProcessLog:
    tables = dict(log.tables)
    for kind, files in _FILES.items():
        if kind in tables:
            tables[kind] = _table(tables[kind], files, names)
    if "stack" in tables:
        tables["stack"] = _stacks(tables["stack"], names)
    return replace(log, tables=tables)


def _table(table: Table, files: Sequence[str], names: Mapping[str, str]) -> Table:
    at = [table.columns.index(file) for file in files if file in table.columns]
    attributes = table.columns.index("attributes") if "attributes" in table.columns else None
    rows = []
    for row in map(list, table.rows):
        for column in at:
            if column < len(row) and isinstance(row[column], str):
                row[column] = names.get(row[column], row[column])
        if attributes is not None and attributes < len(row) and isinstance(row[attributes], dict):
            row[attributes] = _attributes(row[attributes], names)
        rows.append(row)
    return Table(table.kind, table.columns, rows)


def _attributes(recorded: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    named = dict(recorded)
    for key in _IN_ATTRIBUTES:
        value = named.get(key)
        if isinstance(value, str):
            named[key] = names.get(value, value)
        elif isinstance(value, list) and value and isinstance(value[0], str):
            named[key] = [names.get(value[0], value[0]), *value[1:]]
    return named


def _stacks(table: Table, names: Mapping[str, str]) -> Table:
    at = table.columns.index("frames") if "frames" in table.columns else None
    rows = []
    for row in map(list, table.rows):
        if at is not None and at < len(row) and isinstance(row[at], list):
            row[at] = [_frame(frame, names) for frame in row[at]]
        rows.append(row)
    return Table(table.kind, table.columns, rows)


def _frame(frame: Any, names: Mapping[str, str]) -> Any:
    if not isinstance(frame, list) or len(frame) < 3 or frame[1] not in names:
        return frame
    return [frame[0], names[frame[1]], *frame[2:]]
