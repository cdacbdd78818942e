"""Read a run folder: whole (`read`), or again and again while it grows (`Tail`).

A spool is cut at its last newline, so a half-written event is never seen; what cannot be read is left out and
reported as a line in `problems`. Only a folder that holds no run at all raises.
"""

from __future__ import annotations

import gc
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from gpuwatch.errors import NotARun, OtherVersion
from gpuwatch.model.recording import ProcessLog, Recording, Row, RunInfo, Table
from gpuwatch.store import archive, folder, recent, timed
from gpuwatch.store.cells import name_cells
from gpuwatch.store.fields import Piece
from gpuwatch.store.foreign import guard_source
from gpuwatch.store.rows import MixedRows
from gpuwatch.store.shapes import Shapes
from gpuwatch.words.event_log import read_header
from gpuwatch.words.masking import mask_arguments

# Parsing in pieces keeps what is made on the way small; a broken line costs only its own piece a slow pass.
_PIECE = 1 << 20
# So much of a file is in memory as text at a time.
_BLOCK = 1 << 24
# No event is longer: a file with such a line is none of ours, or damaged.
_LONGEST = 1 << 26
# Of more files that have the same problem, the first is named.
_MOST_NAMED = 3
# Less than this is read as rows: it is quicker, and a live view adds little at a time.
_MANY = 1 << 16
# So much to read is worth several threads; each has a block in memory.
_TOGETHER, _THREADS = 1 << 26, 4


def read(path: str | Path, alone: bool = True) -> Recording:
    """Read a whole run folder. `alone`: the process is gpuwatch's own, not a program's that has garbage of its own.

    Raises NotARun when there is no run in it, or one of a version that this gpuwatch cannot read."""
    with _no_collector():
        recording = Tail(path).refresh()
        if alone:
            # The rows are no garbage: without this every later collection would walk millions of them again.
            gc.freeze()
    return recording


class Tail:
    """A run folder that is read again and again: each `refresh` parses only what was written since the last one.

    With `most_rows` the oldest events are left out once there are more than so many; a process then seems to have begun
    where its events begin."""

    def __init__(self, path: str | Path, most_rows: int | None = None) -> None:
        self.path = Path(path)
        self._files: dict[str, SpoolFile] = {}
        self._most_rows = most_rows

    def refresh(self) -> Recording:
        """Return the recording as it is now. Raises NotARun as `read` does."""
        names, why_none = self._spool_names()
        run, problems = _read_run(self.path, bool(names))
        problems += [f"spool cannot be read: {why_none}"] if why_none else []
        with _no_collector():
            for name in names:
                self._files.setdefault(name, SpoolFile(self.path / "spool" / name))
            if self._most_rows:
                for name in names:
                    self._files[name].refresh(self._most_rows)
                    self._leave_out()
            else:
                _refresh_all([self._files[name] for name in names])
        files = [self._files[name] for name in sorted(self._files)]
        logs = name_cells([file.log() for file in files if file.header is not None])
        guard_source(self.path, logs)
        problems += _together([(file.path.name, what) for file in files for what in file.problems()])
        run = run or _guess_run(self.path, logs)
        unreadable = sum(file.header is None for file in files) + bool(why_none)
        return Recording(run, logs, str(self.path), sum(file.size for file in files), tuple(problems), unreadable)

    def _leave_out(self) -> None:
        """Leave out the oldest events when there are too many: of the files of one host those before one time."""
        held = sum(file.count for file in self._files.values()) if self._most_rows else 0
        if not self._most_rows or held <= self._most_rows:
            return
        by_host: dict[object, list[SpoolFile]] = defaultdict(list)
        for file in self._files.values():
            if file.header is not None:
                by_host[file.header.get("host")].append(file)
        for files in by_host.values():
            _keep_last(files, recent.LEFT * self._most_rows / held)

    def _spool_names(self) -> tuple[list[str], str | None]:
        """Return the names of the spool files, and why there is no folder of them."""
        try:
            entries = {entry.name for entry in (self.path / "spool").iterdir()}
        except OSError as error:
            return [], error.strerror or str(error)
        plain = {name for name in entries if name.endswith(".jsonl")}
        packed = {name for name in entries if name.endswith(".jsonl.gz") and not name.startswith(".")}
        return sorted(plain | {name for name in packed if name.removesuffix(".gz") not in plain}), None


class SpoolFile:
    """One spool file, parsed up to its last newline."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._forget()

    def _forget(self) -> None:
        self.header: dict[str, Any] | None = None
        self._shapes = Shapes({})
        self.size = 0
        self._offset = 0
        self._torn = False
        self._skipped = 0
        self._error: str | None = None
        self._tables: dict[str, list[Row] | MixedRows] = defaultdict(list)

    def refresh(self, most_rows: int | None = None) -> None:
        """Parse what was appended since the last call; a file that shrank is read again."""
        try:
            if self.path.suffix != ".gz" and self.path.stat().st_size < self._offset:
                self._forget()
            self._read_blocks(most_rows)
        except OSError as error:
            self._error = f"cannot be read: {error.strerror or error}"

    def _read_blocks(self, most_rows: int | None) -> None:
        """Parse all that follows what was parsed. Raises OSError."""
        rest = b""
        for block in archive.blocks(self.path, self._offset, _BLOCK):
            text = rest + block
            whole = text.rfind(b"\n") + 1
            self._parse(text[:whole])
            rest = text[whole:]
            self._offset += whole
            self.size, self._torn = self._offset + len(rest), bool(rest)
            if len(rest) > _LONGEST:
                raise OSError(0, f"it has a line of more than {_LONGEST >> 20} MB")
            if most_rows and self.count > most_rows:
                _keep_last([self], recent.LEFT * most_rows / self.count)

    @property
    def unread(self) -> int:
        """Return how many bytes were not parsed yet."""
        try:
            return max(self.path.stat().st_size - self._offset, 0)
        except OSError:
            return 0

    @property
    def count(self) -> int:
        """Return how many of its events may be left out."""
        return recent.count(self._tables)

    @property
    def span(self) -> tuple[float, float] | None:
        """Return the times of the first and the last of them."""
        return recent.span(self._tables, self.header["columns"]) if self.header else None

    def forget(self, before_ns: float) -> None:
        """Leave out events from before a time, as if a process that trains had begun then."""
        assert self.header is not None
        recent.forget(self._tables, self.header["columns"], before_ns)
        if "worker" in self._tables:
            return  # found by when it started
        begun = max(float(self.header.get("process_start_ns") or self.header["mono_ns"]), before_ns)
        self.header = {**self.header, "process_start_ns": int(begun)}

    def _parse(self, text: bytes) -> None:
        if self.header is None and self._error is None and text:
            line, _, text = text.partition(b"\n")
            self.header, self._error = read_header(line)
            self._shapes = Shapes(self.header["columns"] if self.header else {})
        if self.header is not None:
            for piece in _pieces(text):
                self._add_rows(self._add_columns(piece) if len(piece) >= _MANY else piece)
                self._add_timed(self._tables.pop(timed.KIND, ()))

    def _add_timed(self, rows: Sequence[Row]) -> None:
        """Add steps that were only timed to the batches."""
        assert self.header is not None
        if not rows:
            return
        names = self.header["columns"]
        columns, skipped = timed.batch_columns(rows, names.get(timed.KIND, ()), names.get("batch", ()))
        self._skipped += skipped
        if columns is not None:
            self._by_column("batch").add(columns)

    def _by_column(self, kind: str) -> MixedRows:
        rows = self._tables[kind]
        if not isinstance(rows, MixedRows):
            rows = self._tables[kind] = MixedRows(rows)
        return rows

    def _add_columns(self, piece: bytes) -> bytes:
        """Take what can be taken by column; return the other lines."""
        assert self.header is not None
        parsed = Piece(piece)
        widths = {kind: len(names) for kind, names in self.header["columns"].items() if isinstance(names, list)}
        widths.pop(timed.KIND, None)
        for kind, columns in parsed.take(widths, self._shapes.take).items():
            self._by_column(kind).add(columns)
        return parsed.rest()

    def _add_rows(self, piece: bytes) -> None:
        rows, skipped = _parse_rows(piece)
        self._skipped += skipped
        by_kind: dict[Any, list[Row]] = defaultdict(list)
        for row in rows:
            try:
                by_kind[row.pop(0)].append(row)
            except (TypeError, AttributeError, LookupError):
                self._skipped += 1
        for kind, given in by_kind.items():
            sound = self._shapes.sound(kind, given)
            self._skipped += len(given) - len(sound)
            if sound:
                self._add(kind, sound)

    def _add(self, kind: str, rows: list[Row]) -> None:
        table = self._tables[kind]
        if isinstance(table, MixedRows):
            for row in rows:
                table.append(row)
        else:
            table += rows

    def log(self) -> ProcessLog:
        """Return what was read so far. The rows are shared with later refreshes, the tables are not."""
        assert self.header is not None
        columns = self.header["columns"]
        tables = {kind: Table(kind, tuple(columns.get(kind, ())), rows) for kind, rows in self._tables.items()}
        return ProcessLog(self.path.name, self.header, tables, self._torn, self._skipped)

    def problems(self) -> list[str]:
        """Return what could not be read of the file, each as the end of a sentence about it."""
        found = []
        if self._error is not None:
            found.append(f" {self._error}; {'the rest is ' if self.header else ''}left out")
        elif self.header is None:
            what = "ends in its header" if self._torn else "is empty"
            found.append(f" {what}: it was cut, or its process died as it began; left out")
        if self._skipped:
            found.append(f": {self._skipped} unreadable lines left out")
        return found


def _together(problems: list[tuple[str, str]]) -> list[str]:
    """Return one line for each problem; where many files have the same one, one for all of them."""
    files: dict[str, list[str]] = defaultdict(list)
    for name, what in problems:
        files[what].append(name)
    return [
        f"spool/{name}{f' and {len(names) - 1} files more: each' if len(names) > _MOST_NAMED else ''}{what}"
        for what, names in files.items()
        for name in (names if len(names) <= _MOST_NAMED else names[:1])
    ]


def _refresh_all(files: list[SpoolFile]) -> None:
    """Parse what was appended to each file; where that is much, several at a time: numpy releases the GIL."""
    if sum(file.unread for file in files) < _TOGETHER:
        for file in files:
            file.refresh()
        return
    with ThreadPoolExecutor(min(_THREADS, len(os.sched_getaffinity(0)))) as pool:
        list(pool.map(SpoolFile.refresh, sorted(files, key=lambda file: -file.unread)))


def _keep_last(files: list[SpoolFile], share: float) -> None:
    """Leave out all but about this share of the events, the last ones."""
    spans = [span for file in files if (span := file.span) is not None]
    if not spans:
        return
    begin, end = min(span[0] for span in spans), max(span[1] for span in spans)
    for file in files:
        if (span := file.span) is not None and span[0] < end - share * (end - begin):
            file.forget(end - share * (end - begin))


@contextmanager
def _no_collector() -> Iterator[None]:
    # Millions of small lists make each full collection slower; none of them is garbage.
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _pieces(text: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(text):
        end = text.find(b"\n", min(start + _PIECE, len(text) - 1)) + 1
        yield text[start:end]
        start = end


def _parse_rows(piece: bytes) -> tuple[list[Any], int]:
    try:
        return orjson.loads(b"[" + piece.rstrip(b"\n").replace(b"\n", b",") + b"]"), 0
    except ValueError:
        return _parse_lines(piece)


def _parse_lines(piece: bytes) -> tuple[list[Any], int]:
    rows, skipped = [], 0
    for line in piece.split(b"\n"):
        try:
            rows.append(json.loads(line, parse_constant=_missing))
        except (ValueError, RecursionError):
            skipped += bool(line.strip())
    return rows, skipped


def _missing(constant: str) -> None:
    """Read NaN and infinities as what was not measured."""


def _read_run(path: Path, has_spool: bool) -> tuple[RunInfo | None, list[str]]:
    """Return `run.json`; without a readable one, None and the reason, if there is a spool to go by."""
    try:
        info = folder.read_info(path)
        return info, [info.problem] if info.problem else []
    except OtherVersion:
        raise
    except NotARun as error:
        if not has_spool:
            raise
        return None, [f"{error.what}; reconstructed from the event log"]


def _guess_run(path: Path, logs: tuple[ProcessLog, ...]) -> RunInfo:
    """Make the metadata of a run whose `run.json` is lost: what its processes' headers still tell."""
    if not logs:
        raise NotARun(
            f"{path} has no readable {folder.INFO} and no readable spool file", "`gpuwatch runs` lists the runs here"
        )
    first = min(logs, key=lambda log: int(log.header["mono_ns"]))
    hooks = [log for log in logs if log.writer == "hook"] or [first]
    oldest = min(hooks, key=lambda log: int(log.header.get("process_start_ns") or log.header["mono_ns"]))
    started = int(oldest.header.get("process_start_ns") or oldest.header["mono_ns"])
    return RunInfo(
        id=path.name,
        name=None,
        command=mask_arguments(str(word) for word in oldest.header.get("argv") or ()),
        cwd="",
        host=str(oldest.header.get("host", "")),
        started_wall_ns=int(oldest.header.get("wall_ns") or 0) - (int(oldest.header["mono_ns"]) - started),
        started_ns=started,
        state="lost",
    )
