"""An nsys export says the same of a training as torch.profiler's trace of it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from gpuwatch.errors import GpuwatchError
from gpuwatch.traces.read import read_traces
from gpuwatch.words import gpu_trace as words

PID = 0x01000000_00000000 | 77 << 24
OTHER = 0x01000000_00000000 | 78 << 24


def export(path: Path, pid: int = PID) -> Path:
    """Write an export: a step with a kernel, a copy from pageable memory, and a wait."""
    with sqlite3.connect(path) as database:
        database.executescript(
            """
            CREATE TABLE IF NOT EXISTS StringIds (id INTEGER, value TEXT);
            CREATE TABLE IF NOT EXISTS TARGET_INFO_GPU (id INTEGER, name TEXT);
            CREATE TABLE IF NOT EXISTS CUPTI_ACTIVITY_KIND_KERNEL (start INTEGER, end INTEGER, deviceId INTEGER,
                streamId INTEGER, correlationId INTEGER, globalPid INTEGER, demangledName INTEGER, shortName INTEGER);
            CREATE TABLE IF NOT EXISTS CUPTI_ACTIVITY_KIND_MEMCPY (start INTEGER, end INTEGER, deviceId INTEGER,
                streamId INTEGER, correlationId INTEGER, globalPid INTEGER, bytes INTEGER, copyKind INTEGER,
                srcKind INTEGER, dstKind INTEGER);
            CREATE TABLE IF NOT EXISTS CUPTI_ACTIVITY_KIND_RUNTIME (start INTEGER, end INTEGER, globalTid INTEGER,
                correlationId INTEGER, nameId INTEGER);
            CREATE TABLE IF NOT EXISTS NVTX_EVENTS (start INTEGER, end INTEGER, eventType INTEGER, text TEXT,
                globalTid INTEGER, textId INTEGER);
            """
        )
        if not database.execute("SELECT count(*) FROM StringIds").fetchone()[0]:
            names = ("cudaLaunchKernel_v7000", "cudaMemcpyAsync_v3020", "gemm", "ncclDevKernel_AllReduce")
            database.executemany("INSERT INTO StringIds VALUES (?, ?)", enumerate(names))
            database.execute("INSERT INTO TARGET_INFO_GPU VALUES (0, 'NVIDIA H100')")
        calls = [(1_000, 6_000, pid | 5, 1, 0), (10_000, 90_000, pid | 5, 2, 1)]
        database.executemany("INSERT INTO CUPTI_ACTIVITY_KIND_RUNTIME VALUES (?, ?, ?, ?, ?)", calls)
        database.execute("INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES (8000, 28000, 0, 7, 1, ?, 2, 2)", (pid,))
        database.execute(
            "INSERT INTO CUPTI_ACTIVITY_KIND_MEMCPY VALUES (50000, 88000, 0, 7, 2, ?, 4096, 1, 0, 2)", (pid,)
        )
        database.execute("INSERT INTO NVTX_EVENTS VALUES (500, 95000, 59, 'ProfilerStep#1', ?, NULL)", (pid | 5,))
        database.execute("INSERT INTO NVTX_EVENTS VALUES (500, NULL, 75, 'a mark', ?, NULL)", (pid | 5,))
    return path


def test_activities_calls_and_ranges(tmp_path: Path) -> None:
    (trace,) = read_traces([export(tmp_path / "a.sqlite")])
    names = [trace.names[number] for number in trace.device.name]
    assert names == ["gemm", "Memcpy HtoD (Pageable -> Device)"]
    assert trace.device.start.tolist() == [7.5, 49.5] and trace.device.size.tolist() == [-1, 4096]
    host = [(trace.names[name], kind) for name, kind in zip(trace.host.name, trace.host.kind, strict=True)]
    assert host == [
        ("ProfilerStep#1", words.ANNOTATION),
        ("cudaLaunchKernel", words.CALL),
        ("cudaMemcpyAsync", words.CALL),
    ]
    assert trace.device_names == {0: "NVIDIA H100"}


def test_each_process_has_its_own_correlations(tmp_path: Path) -> None:
    export(tmp_path / "a.sqlite")
    traces = read_traces([export(tmp_path / "a.sqlite", OTHER)])
    assert [trace.rank for trace in traces] == [0, 1]
    assert all(np.array_equal(trace.device.correlation, [1, 2]) for trace in traces)


def test_a_database_of_something_else_is_one_line(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.sqlite") as database:
        database.execute("CREATE TABLE x (y INTEGER)")
    with pytest.raises(GpuwatchError, match="no GPU activity") as error:
        read_traces([tmp_path / "a.sqlite"])
    assert "nsys export --type sqlite" in str(error.value)


def test_a_report_of_nsys_has_to_be_exported(tmp_path: Path) -> None:
    (tmp_path / "a.nsys-rep").write_bytes(b"x")
    with pytest.raises(GpuwatchError, match="Export it first"):
        read_traces([tmp_path / "a.nsys-rep"])


def test_odd_values_are_no_traceback(tmp_path: Path) -> None:
    path = export(tmp_path / "a.sqlite")
    with sqlite3.connect(path) as database:
        database.execute("UPDATE CUPTI_ACTIVITY_KIND_RUNTIME SET globalTid = 'x', nameId = NULL")
        database.execute("UPDATE NVTX_EVENTS SET text = x'ff00', start = 'soon'")
    (trace,) = [each for each in read_traces([path]) if len(each.device)]
    assert len(trace.device) == 2
