"""The dataset: a folder of parts, each with one Parquet file per table.

A part is written beside the others under a hidden name and then renamed, so that readers see all of it or nothing, and any
number of writers need not know of each other. Of a run that several parts have, the rows that were read last count."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gpuwatch.errors import GpuwatchError
from gpuwatch.fleet.columns import FORMAT, TABLES, Rows, no_rows, storable
from gpuwatch.fleet.needs import need
from gpuwatch.records import dataclass

PARTS = "part-*"
ABOUT = "gpuwatch-fleet.json"
# A part is written when it has so many runs: what a kill can lose, and what is held in memory.
RUNS_OF_A_PART = 200
# Parts of single nights are merged when there are more of them than this, into ones of up to so many runs.
MOST_SMALL_PARTS, RUNS_OF_A_MERGED_PART = 48, 2000
# What a killed writer left is removed after a day.
_ABANDONED_S = 86400.0


@dataclass(frozen=True, slots=True)
class Known:
    """A run as it was when it was read, in microseconds of the epoch. `going_on`: it will have changed since; `job`: what its job is known by."""

    read_at: int
    fingerprint: str
    going_on: bool
    job: str | None


class Dataset:
    """A folder of parts. Raises GpuwatchError where it cannot be made, or holds something else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._check()
        except OSError as error:
            raise GpuwatchError(
                f"{folder} cannot be used: {error.strerror or error}", "Name another folder with --parquet"
            ) from error

    def _check(self) -> None:
        about = self.folder / ABOUT
        if about.exists():
            told = _format(about)
            if told != FORMAT:
                raise GpuwatchError(
                    f"{self.folder} is a dataset of format {told!r}, this gpuwatch writes {FORMAT!r}",
                    "Name another folder with --parquet",
                )
            return
        if any(not entry.name.startswith(".") for entry in self.folder.iterdir()):
            raise GpuwatchError(
                f"{self.folder} holds other files and no dataset of gpuwatch", "Name an empty folder with --parquet"
            )
        temporary = self.folder / f".{ABOUT}.{os.getpid()}"
        temporary.write_text(json.dumps({"format": FORMAT}) + "\n")
        temporary.replace(about)

    def parts(self) -> list[Path]:
        """Return the complete parts, oldest first."""
        found = sorted(self.folder.glob(PARTS))
        # A listing that was made while parts were merged may lack both the old ones and the new one.
        while (again := sorted(self.folder.glob(PARTS))) != found:
            found = again
        return found

    def known(self) -> dict[str, Known]:
        """Return the runs that have been read, each as it was at the last reading."""
        newest: dict[str, Known] = {}
        for part in self.parts():
            for row in self._read(part, "runs", ("run", "read_at", "state", "fingerprint", "job_key")):
                one = Known(row["read_at"], row["fingerprint"], row["state"] == "running", row["job_key"])
                if row["run"] not in newest or one.read_at >= newest[row["run"]].read_at:
                    newest[row["run"]] = one
        return newest

    def _read(self, part: Path, table: str, columns: tuple[str, ...]) -> list[dict[str, Any]]:
        try:
            file = need("pyarrow.parquet").ParquetFile(part / f"{table}.parquet")
            read = file.read(columns=[name for name in columns if name in file.schema_arrow.names])
        except FileNotFoundError:  # merged into another meanwhile
            return []
        return [dict.fromkeys(columns) | row for row in _numbers_of_times(read).to_pylist()]

    @contextmanager
    def writer(self) -> Iterator[Writer]:
        """Give a writer; what it still has is written at the end, also at that of an interrupted reading."""
        writer = Writer(self)
        try:
            yield writer
        finally:
            writer.flush()

    def publish(self, tables: dict[str, Any], runs: int) -> None:
        """Write a part of arrow tables, all of them at once as far as a reader can say."""
        parquet = need("pyarrow.parquet")
        name = f"{PARTS[:-1]}{time.time_ns()}-{os.urandom(4).hex()}-{runs}"
        hidden = self.folder / f".{name}"
        arrow = need("pyarrow")
        try:
            hidden.mkdir()
            for table, rows in tables.items():
                at = rows.schema.get_field_index("part")
                rows = rows.set_column(at, "part", arrow.array([name] * rows.num_rows, arrow.string()))
                parquet.write_table(rows, hidden / f"{table}.parquet", compression="zstd")
            hidden.rename(self.folder / name)
        except OSError as error:
            shutil.rmtree(hidden, ignore_errors=True)
            raise GpuwatchError(
                f"{self.folder} cannot be written: {error.strerror or error}", "Name another folder with --parquet"
            ) from error

    def merge(self) -> None:
        """Merge small parts into larger ones, where there are many and no other writer is at it."""
        self._remove_abandoned()
        small = [part for part in self.parts() if runs_of(part) < RUNS_OF_A_PART]
        if len(small) <= MOST_SMALL_PARTS:
            return
        with self._locked() as locked:
            chosen, runs = [], 0
            for part in small if locked else ():
                if runs < RUNS_OF_A_MERGED_PART and part.exists():
                    chosen.append(part)
                    runs += runs_of(part)
            if chosen:
                self._merge(chosen)

    def _merge(self, parts: list[Path]) -> None:
        parquet, arrow = need("pyarrow.parquet"), need("pyarrow")
        merged = {
            table: arrow.concat_tables(
                [parquet.read_table(part / f"{table}.parquet") for part in parts], promote_options="default"
            )
            for table in TABLES
        }
        kept = _newest(merged["runs"])
        merged = {
            table: rows.take([n for n, of in enumerate(_keys(rows)) if of in kept]) for table, rows in merged.items()
        }
        self.publish(merged, len(kept))
        for part in parts:
            hidden = part.with_name(f".{part.name}")
            part.rename(hidden)
            shutil.rmtree(hidden, ignore_errors=True)

    @contextmanager
    def _locked(self) -> Iterator[bool]:
        with open(self.folder / ".lock", "a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
                return
            yield True

    def _remove_abandoned(self) -> None:
        for hidden in self.folder.glob(f".{PARTS}"):
            try:
                if time.time() - hidden.stat().st_mtime > _ABANDONED_S:
                    shutil.rmtree(hidden, ignore_errors=True)
            except OSError:  # another writer's, renamed or removed by now
                pass


class Writer:
    """Gathers the rows of runs, and writes a part as often as there are enough."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset, self._rows, self._runs = dataset, no_rows(), 0

    def add(self, rows: Rows) -> None:
        """Add the rows of one run."""
        for table, of_run in rows.items():
            self._rows[table] += of_run
        self._runs += 1
        if self._runs >= RUNS_OF_A_PART:
            self.flush()

    def flush(self) -> None:
        """Write what was gathered."""
        if self._runs:
            rows, runs, self._rows, self._runs = self._rows, self._runs, no_rows(), 0
            self._dataset.publish({table: _arrow(table, rows[table]) for table in TABLES}, runs)


def _format(about: Path) -> object:
    """Return what a dataset says that it is; None where it says nothing."""
    try:
        return json.loads(about.read_text(encoding="utf-8"))["format"]
    except (ValueError, KeyError, TypeError):
        return None


def runs_of(part: Path) -> int:
    """Return how many runs a part has, by its name."""
    return int(part.name.rpartition("-")[2])


def _arrow(table: str, rows: list[dict[str, Any]]) -> Any:
    """Return rows as an arrow table with the declared columns."""
    arrow = need("pyarrow")
    types = {
        "string": arrow.string(),
        "int": arrow.int64(),
        "float": arrow.float64(),
        "bool": arrow.bool_(),
        "time": arrow.timestamp("us", "UTC"),
    }
    columns = TABLES[table]
    schema = arrow.schema([(name, types[kind]) for name, kind in columns.items()])
    values = {name: [_value(row.get(name), kind) for row in rows] for name, kind in columns.items()}
    return arrow.table(values, schema)


def _value(value: Any, kind: str) -> Any:
    """Return a value as its column takes it: foreign text may have halves of characters, foreign numbers any size."""
    if value is None:
        return None
    if kind == "string":
        return storable(str(value))
    if kind == "float":
        return float(value)
    if kind == "int":
        return int(value) if abs(value) < 2**63 else None
    return value


def _keys(rows: Any) -> Iterator[tuple[str, str]]:
    return zip(rows["run"].to_pylist(), rows["part"].to_pylist(), strict=True)


def _numbers_of_times(rows: Any) -> Any:
    """Return a table with microseconds of the epoch for times: arrow asks pandas to make others of them, which takes seconds."""
    arrow = need("pyarrow")
    for at, column in enumerate(rows.schema):
        if arrow.types.is_timestamp(column.type):
            rows = rows.set_column(at, column.name, rows.column(at).cast(arrow.int64()))
    return rows


def _newest(rows: Any) -> set[tuple[str, str]]:
    """Return run and part of the rows that were read last of each run."""
    rows = _numbers_of_times(rows)
    newest: dict[str, tuple[int, str]] = {}
    for run, part, read_at in zip(*(rows[name].to_pylist() for name in ("run", "part", "read_at")), strict=True):
        newest[run] = max(newest.get(run, (read_at, part)), (read_at, part))
    return {(run, part) for run, (_, part) in newest.items()}
