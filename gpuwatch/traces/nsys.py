"""Read an export of NVIDIA Nsight Systems (`nsys export --type sqlite`): a trace for each process that used a device.

Times are nanoseconds; names are numbers of `StringIds`; a process is the upper part of `globalTid` and `globalPid`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuwatch.errors import GpuwatchError
from gpuwatch.model.trace import COLUMNS, Trace
from gpuwatch.traces.columns import NONE, Columns, integers, numbers
from gpuwatch.words.gpu_trace import ANNOTATION, CALL, COPY, DEVICE_KINDS, FILL, KERNEL
from gpuwatch.words.units import count

_KERNELS, _COPIES, _FILLS, _GRAPHS, _CALLS, _RANGES = (
    "CUPTI_ACTIVITY_KIND_KERNEL",
    "CUPTI_ACTIVITY_KIND_MEMCPY",
    "CUPTI_ACTIVITY_KIND_MEMSET",
    "CUPTI_ACTIVITY_KIND_GRAPH_TRACE",
    "CUPTI_ACTIVITY_KIND_RUNTIME",
    "NVTX_EVENTS",
)
# enumNsysMemcpyOper and CUpti_ActivityMemcpyKind, and the kinds of memory that a copy may be from or to.
_DIRECTIONS: dict[Any, str] = {1: "HtoD", 2: "DtoH", 8: "DtoD", 10: "PtoP"}
_MEMORY: dict[Any, str] = {0: "Pageable", 1: "Pinned", 2: "Device"}
_BATCH = 100_000
_PUSH_POP, _START_END = 59, 60
# What tells a process in `globalTid` and `globalPid`.
_PROCESS = 0x00FFFFFF00000000 | 0xFF000000
_EXPORT_AGAIN = "Export it with `nsys export --type sqlite FILE.nsys-rep`"


def read(path: Path) -> list[Trace]:
    """Return the traces of an export's processes, in the order of their pids. Raises GpuwatchError."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as database:
            database.text_factory = lambda data: data.decode("utf-8", "replace")
            return _Export(path, database).traces()
    except (sqlite3.Error, OverflowError, TypeError, ValueError) as error:
        raise GpuwatchError(f"{path} cannot be read as an nsys export: {error}", _EXPORT_AGAIN) from error


class _Export:
    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self.path, self.database = path, database
        self.tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type='table'")}
        self.texts: dict[Any, str] = {}
        self.parts: dict[int, Columns] = {}

    def traces(self) -> list[Trace]:
        if not self.tables & {_KERNELS, _COPIES, _GRAPHS}:
            raise GpuwatchError(f"{self.path} has no GPU activity: it is no export of a CUDA trace", _EXPORT_AGAIN)
        if "StringIds" in self.tables:
            self.texts = dict(self.database.execute("SELECT id, value FROM StringIds"))
        self._devices(_KERNELS, KERNEL)
        self._devices(_GRAPHS, KERNEL)
        self._devices(_COPIES, COPY)
        self._devices(_FILLS, FILL)
        self._calls()
        self._ranges()
        names = self._device_names()
        found = [(pid, columns, *columns.events()) for pid, columns in sorted(self.parts.items())]
        used = [each for each in found if len(each[2])]
        return [
            Trace(
                source=str(self.path),
                bytes=self.path.stat().st_size,
                rank=number,
                world_size=len(used),
                names=tuple(columns.names),
                threads=tuple(columns.threads),
                device=device,
                host=host,
                device_names=names,
                begin_us=columns.begin_us,
                started_wall_ns=self.path.stat().st_mtime_ns,
                lost=(f"{count(columns.broken, 'event')} of the export could not be read",) if columns.broken else (),
            )
            for number, (_, columns, device, host) in enumerate(used)
        ]

    def _devices(self, table: str, kind: int) -> None:
        for row in self._rows(table):
            self._add(row, kind, row["globalPid"], [self._activity(one, kind) for one in row["rows"]])

    def _activity(self, row: dict[str, Any], kind: int) -> str:
        if kind == COPY:
            source, target = (_MEMORY.get(row.get(end), "Unknown") for end in ("srcKind", "dstKind"))
            return f"Memcpy {_DIRECTIONS.get(row.get('copyKind'), 'Unknown')} ({source} -> {target})"
        if kind == FILL:
            return "Memset"
        name = row.get("demangledName", row.get("shortName"))
        return self.texts.get(name, "CUDA graph" if name is None else str(name))

    def _calls(self) -> None:
        for row in self._rows(_CALLS):
            named = [str(self.texts.get(one.get("nameId"), "")) for one in row["rows"]]
            # `cudaLaunchKernel_v7000` is cudaLaunchKernel.
            self._add(row, CALL, row["globalTid"], [name.partition("_v")[0] for name in named])

    def _ranges(self) -> None:
        for row in self._rows(_RANGES):
            rows = [one for one in row["rows"] if one.get("eventType") in (_PUSH_POP, _START_END) and one.get("end")]
            if rows:
                texts = [one.get("text") or self.texts.get(one.get("textId")) or "" for one in rows]
                kept = {"rows": rows, "globalTid": [one.get("globalTid") for one in rows]}
                self._add(kept, ANNOTATION, kept["globalTid"], texts)

    def _rows(self, table: str) -> Iterator[dict[str, Any]]:
        """Yield the rows of a table, some thousands at a time."""
        if table not in self.tables:
            return
        cursor = self.database.execute(f'SELECT * FROM "{table}"')
        keys = [column[0] for column in cursor.description]
        while found := cursor.fetchmany(_BATCH):
            rows = [dict(zip(keys, row, strict=True)) for row in found]
            yield {"rows": rows, **{key: [row.get(key) for row in rows] for key in ("globalPid", "globalTid")}}

    def _add(self, batch: dict[str, Any], kind: int, owners: list[Any], names: list[str]) -> None:
        rows = batch["rows"]
        processes = integers(owners) & _PROCESS
        start, end = (numbers([row.get(key) for row in rows]) / 1e3 for key in ("start", "end"))
        sane = np.isfinite(start) & (end >= start)
        for process in np.unique(processes).tolist():
            columns = self.parts.setdefault(process, Columns())
            mine = np.flatnonzero((processes == process) & sane)
            columns.broken += int(((processes == process) & ~sane).sum())
            columns.append(
                _columns(columns, kind, [rows[i] for i in mine], [names[i] for i in mine], start[mine], end[mine])
            )

    def _device_names(self) -> dict[int, str]:
        if "TARGET_INFO_GPU" not in self.tables:
            return {}
        found = self.database.execute("SELECT id, name FROM TARGET_INFO_GPU")
        return {number: str(name) for number, name in found if isinstance(number, int)}


def _columns(
    columns: Columns, kind: int, rows: list[dict[str, Any]], names: list[str], start: NDArray[Any], end: NDArray[Any]
) -> dict[str, NDArray[Any]]:
    """Return the columns of one process's rows of one table."""
    nothing = np.full(len(rows), NONE)
    found: dict[str, NDArray[Any]] = dict.fromkeys(COLUMNS, nothing)
    on_device = kind in DEVICE_KINDS
    owner = "streamId" if on_device else "globalTid"
    found |= {
        "start": start,
        "end": end,
        "kind": np.full(len(rows), kind),
        "name": np.array([columns.number(name) for name in names], np.int32),
        "thread": np.array([columns.thread(str(row.get(owner))) for row in rows], np.int32),
        "correlation": integers([row.get("correlationId", NONE) for row in rows]),
    }
    if on_device:
        found["device"] = integers([row.get("deviceId", 0) for row in rows], np.int32)
        found["stream"] = integers([row.get("streamId", 0) for row in rows])
        found["size"] = integers([row.get("bytes", NONE) for row in rows])
    return found
