"""The event log: its format, its header, and how a line is read by the header's columns.

A file is JSON lines: the header, an object that names the columns of each kind, then events, arrays of a kind and that
kind's values. `store` reads whole logs by column; whoever wants a few lines of one reads them here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

FORMAT = "gpuwatch.spool/1"
NEEDED = ("pid", "mono_ns", "columns")
_INTEGERS = ("pid", "ppid", "mono_ns", "wall_ns", "process_start_ns", "rank", "local_rank", "world_size")
_LARGEST = 2**63 - 1


def read_header(line: str | bytes) -> tuple[dict[str, Any] | None, str | None]:
    """Return the header in a file's first line; or None and the reason, as the end of a sentence about the file."""
    try:
        header = json.loads(line)
    except (ValueError, RecursionError):
        return None, "is not a spool file: its first line is not JSON"
    if not isinstance(header, dict):
        return None, "is not a spool file: its first line is no header"
    if header.get("format") != FORMAT:
        return None, f"is of format {header.get('format')!r}, this gpuwatch reads {FORMAT!r}"
    lacking = [key for key in NEEDED if header.get(key) is None]
    if lacking or not isinstance(header["columns"], dict):
        return None, f"has a header without {', '.join(lacking) or 'columns'}"
    wrong = next((key for key, value in header.items() if not _fits(key, value)), None)
    if wrong is not None:
        return None, f"has a damaged header: {wrong} is {header[wrong]!r:.40}"
    return header, None


def _fits(key: str, value: Any) -> bool:
    """Say whether a value of a header can have been written so."""
    if key == "columns":
        return all(isinstance(names, list) and all(isinstance(name, str) for name in names) for names in value.values())
    if value is None:
        return True
    if key in _INTEGERS:
        return isinstance(value, int) and abs(value) <= _LARGEST
    if key == "argv":
        return isinstance(value, list)
    return isinstance(value, str) if key in ("host", "writer", "python", "executable") else True


def kind_of(line: bytes) -> str:
    """Return the kind of the event in a line; empty for the header, or for what is no event."""
    end = line.find(b'"', 2) if line.startswith(b'["') else -1
    return line[2:end].decode(errors="replace") if end > 0 else ""


class Columns:
    """The columns of each kind, as a header names them."""

    def __init__(self, columns: Mapping[str, Sequence[str]]) -> None:
        self._names = columns

    def named(self, row: Sequence[Any]) -> tuple[str, dict[str, Any]]:
        """Return the kind of a row (its first value) and its other values by name.

        Raises ValueError for a row with more values than columns; one with fewer lacks those that were added later."""
        names = self._names.get(row[0], ())
        if len(row) > len(names) + 1:
            raise ValueError(f"{len(row) - 1} values in {len(names)} columns")
        return row[0], dict(zip(names, row[1:], strict=False))

    def event(self, line: str | bytes) -> tuple[str, dict[str, Any]]:
        """Return the event in a line. Raises ValueError for a line that is no whole event."""
        row = json.loads(line)
        if not isinstance(row, list) or not row or not isinstance(row[0], str):
            raise ValueError("not an event")
        return self.named(row)

    def positions(self, kind: str, *names: str) -> tuple[int, ...]:
        """Return where these values are in a line of a kind; empty when it lacks one of them."""
        known = list(self._names.get(kind, ()))
        return tuple(known.index(name) + 1 for name in names) if set(names) <= set(known) else ()


def integers(line: bytes, positions: Sequence[int]) -> tuple[int, ...]:
    """Return some values of an event without parsing the rest; empty when one of them is no integer or is not there.

    For kinds whose columns up to those are numbers alone: a comma inside a value would shift them."""
    parts = line.split(b",", max(positions) + 1) if positions else []
    try:
        return tuple([int(parts[position].rstrip(b"]")) for position in positions])
    except (ValueError, IndexError):
        return ()


def read(text: str) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]:
    """Return the header of a log and its events, in order. Raises ValueError when a line is not whole."""
    first, *lines = text.splitlines()
    header, why = read_header(first)
    if header is None:
        raise ValueError(f"the log {why}")
    columns = Columns(header["columns"])
    return header, [columns.event(line) for line in lines if line]
