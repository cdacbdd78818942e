"""What was stored: the run's metadata, and one log of raw events per process."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Literal

from gpuwatch.records import dataclass

Row = list[Any]


class ColumnRows(Sequence[Row]):
    """Rows of a large table, kept by column: taking a column costs no row."""

    @abstractmethod
    def column(self, at: int) -> list[Any]:
        """Return the values of one column; None where a row is too short."""

    @abstractmethod
    def floats(self, at: int) -> Any:
        """Return one column as a numpy array of floats; NaN where there is no number."""

    @abstractmethod
    def pick(self, at: int, positions: Sequence[int]) -> list[Any]:
        """Return the values of one column in some rows, which are given in ascending order."""


@dataclass(frozen=True, slots=True)
class Table:
    """All events of one kind in one process's log, in the order they were written."""

    kind: str
    columns: tuple[str, ...]
    rows: Sequence[Row]

    def column(self, name: str) -> list[Any]:
        """Return one column as a list; a column that this log's version lacks is all None."""
        if name not in self.columns:
            return [None] * len(self.rows)
        at = self.columns.index(name)
        if isinstance(self.rows, ColumnRows):
            return self.rows.column(at)
        try:
            return list(map(itemgetter(at), self.rows))
        except IndexError:
            return [row[at] if at < len(row) else None for row in self.rows]

    def pick(self, name: str, positions: Sequence[int]) -> list[Any]:
        """Return the values of one column in some rows, which are given in ascending order."""
        if isinstance(self.rows, ColumnRows) and name in self.columns:
            return self.rows.pick(self.columns.index(name), positions)
        column = self.column(name)
        return [column[position] for position in positions]

    def dicts(self) -> list[dict[str, Any]]:
        """Return the rows as dictionaries; for small tables."""
        return [dict(zip(self.columns, row, strict=False)) for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class ProcessLog:
    """One spool file: the header that its writer put first, and its events by kind."""

    name: str
    header: dict[str, Any]
    tables: dict[str, Table]
    torn: bool = False
    skipped_lines: int = 0

    @property
    def pid(self) -> int:
        return int(self.header["pid"])

    @property
    def writer(self) -> str:
        """Who wrote it: `hook`, `sampler` or `stacks`."""
        return str(self.header.get("writer", "unknown"))

    def table(self, kind: str) -> Table:
        """Return the events of a kind; an empty table when there are none."""
        return self.tables.get(kind) or Table(kind, tuple(self.header.get("columns", {}).get(kind, ())), [])


@dataclass(frozen=True, slots=True)
class RunInfo:
    """The run's metadata (`run.json`). `exit_code` and `signal` are None while it runs or was lost."""

    id: str
    name: str | None
    command: tuple[str, ...]
    cwd: str
    host: str
    started_wall_ns: int
    started_ns: int
    ended_ns: int | None = None
    exit_code: int | None = None
    signal: int | None = None
    supervisor_pid: int | None = None
    child_pid: int | None = None
    gpuwatch: str = ""
    state: Literal["running", "finished", "lost"] = "finished"
    experiment: dict[str, Any] | None = None
    # Start ticks (field 22 of /proc/PID/stat) and boot id tell these pids from later ones of the same number.
    boot_id: str | None = None
    supervisor_start: int | None = None
    child_start: int | None = None
    # What went wrong with the recording itself, for a person.
    problem: str | None = None
    # Windows of torch.profiler that were asked for: auto, or a number of steps.
    gpu_trace: str | None = None
    # Of a training that was running already: how it was attached to. None where gpuwatch started the command.
    attached: dict[str, Any] | None = None
    # The job that the run is part of, as `--job` named it.
    job: str | None = None
    # Of a part of a program that was recorded from inside (`gpuwatch.watch`): the exception that ended it, the notebook's
    # cell. None where gpuwatch started the command.
    in_process: dict[str, Any] | None = None
    sampler_pid: int | None = None
    # Whose run it is, where and of what: names from an allow-list (store/identity.py). None of runs before there was one.
    identity: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """A time for which a writer has no data, and why."""

    start_ns: int
    end_ns: int
    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Recording:
    """A run folder as read: nothing derived. `problems` are lines for a person (torn, foreign, dropped); `unreadable`:
    files of the event log that give nothing."""

    run: RunInfo
    logs: tuple[ProcessLog, ...]
    path: str
    bytes: int = 0
    problems: tuple[str, ...] = ()
    unreadable: int = 0

    def by_writer(self, writer: str) -> list[ProcessLog]:
        """Return the logs of one kind of writer."""
        return [log for log in self.logs if log.writer == writer]
