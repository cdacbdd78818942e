"""The dataset as DuckDB sees it: of each run the rows that were read last, of those that are meant.

Times are microseconds of the epoch: what DuckDB makes of time zones needs libraries that need not be there."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

from gpuwatch.errors import GpuwatchError
from gpuwatch.fleet.columns import TABLES, storable
from gpuwatch.fleet.dataset import Dataset
from gpuwatch.fleet.filters import Condition
from gpuwatch.fleet.needs import need

Answer = TypeVar("Answer")
# How often a summary is tried again when a part that it reads has been merged into another meanwhile.
_TRIES, _PAUSE_S = 4, 0.2
_TYPES = {"string": "VARCHAR", "int": "BIGINT", "float": "DOUBLE", "bool": "BOOLEAN", "time": "TIMESTAMPTZ"}


class Tables:
    """The tables in memory, ready to be asked. `runs` are the trainings that are meant, `everything` all that there are."""

    def __init__(self, dataset: Dataset, wanted: Sequence[Condition]) -> None:
        # Nothing is installed from elsewhere, and what does not fit into memory goes to no folder of the user's.
        config = {"autoinstall_known_extensions": "false", "temp_directory": tempfile.gettempdir()}
        self._database = need("duckdb").connect(":memory:", config=config)
        # All tables of the same parts: rows of one that was merged meanwhile have another part's name.
        parts = dataset.parts()
        for table, columns in TABLES.items():
            self._database.execute(f"CREATE VIEW all_{table} AS {_read(parts, table, columns)}")
        self._load(wanted)

    def _load(self, wanted: Sequence[Condition]) -> None:
        execute = self._database.execute
        execute(
            "CREATE TABLE newest AS SELECT run, max_by(part, (read_at, part)) AS part FROM"
            " (SELECT DISTINCT run, part, read_at FROM all_runs) GROUP BY run"
        )
        where = " AND ".join(["TRUE", *(condition.sql for condition in wanted)])
        values = [value for condition in wanted for value in condition.values]
        values = [_held(value) for value in values]
        execute(
            f"CREATE TABLE chosen AS SELECT * FROM all_runs SEMI JOIN newest USING (run, part) WHERE {where}", values
        )
        execute("CREATE TABLE runs AS SELECT * FROM chosen WHERE NOT experiment")
        for table in TABLES:
            if table != "runs":
                execute(f"CREATE TABLE {table} AS SELECT * FROM all_{table} SEMI JOIN runs USING (run, training, part)")

    def ask(self, query: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Return the rows of a query, by the names of their columns."""
        answer = self._database.execute(query, list(values))
        names = [column[0] for column in answer.description]
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]

    def close(self) -> None:
        """Give the memory back."""
        self._database.close()


def with_tables(dataset: Dataset, wanted: Sequence[Condition], use: Callable[[Tables], Answer]) -> Answer:
    """Return what `use` makes of the tables. Raises GpuwatchError where they cannot be read."""
    duckdb = need("duckdb")
    for left in reversed(range(_TRIES)):
        try:
            tables = Tables(dataset, wanted)
            try:
                return use(tables)
            finally:
                tables.close()
        except duckdb.IOException as error:
            if not left:
                raise GpuwatchError(f"{dataset.folder} cannot be read: {error}") from error
            time.sleep(_PAUSE_S)
    raise AssertionError("unreachable")


def _read(parts: Sequence[Path], table: str, columns: dict[str, str]) -> str:
    """Return the query of a table's files; columns that files of another version lack are null."""
    declared = ", ".join(f'NULL::{_TYPES[kind]} AS "{name}"' for name, kind in columns.items())
    found = f"SELECT {declared} WHERE FALSE"
    if parts:
        files = ", ".join(_quoted(str(part / f"{table}.parquet")) for part in parts)
        found += f" UNION ALL BY NAME SELECT * FROM read_parquet([{files}], union_by_name = true)"
    times = ", ".join(f"epoch_us({name}) AS {name}" for name, kind in columns.items() if kind == "time")
    return f"SELECT * REPLACE ({times}) FROM ({found})" if times else found


def moment_of(microseconds: int) -> datetime:
    """Return a time as the tables hold it."""
    return datetime.fromtimestamp(microseconds / 1e6, timezone.utc)


def _held(value: Any) -> Any:
    """Return a value as the tables hold it."""
    if isinstance(value, datetime):
        return round(value.timestamp() * 1e6)
    return storable(value) if isinstance(value, str) else value


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
