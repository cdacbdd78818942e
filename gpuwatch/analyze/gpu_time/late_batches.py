"""Gaps of a traced device in which the host waited for its batch, joined to what the worker that owed it did then.

The trace's clock is joined to the event log's by the steps' annotations: the hook noted when each began.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from gpuwatch.analyze.gpu_time.build import Judged
from gpuwatch.analyze.gpu_time.partition import INPUT
from gpuwatch.analyze.numbers.arrays import as_list, columns_of, numbers
from gpuwatch.analyze.numbers.statistics import Array, median
from gpuwatch.analyze.processes.sorting import Trainer
from gpuwatch.model.measures import Place
from gpuwatch.model.recording import ProcessLog
from gpuwatch.model.trace import Trace
from gpuwatch.model.traced_windows import LateBatch
from gpuwatch.words.gpu_trace import ANNOTATION

# The longest gaps say what the others are of; shorter ones are no wait for a batch.
MOST, SHORTEST_US = 8, 500.0
Doing = Literal["making it", "making another", "handing it over", "unknown"]


def clock_of(trace: Trace, marks: list[Any]) -> float | None:
    """Return what to add to a trace's times (µs since its first event) to have the hook's clock; None where no annotated
    step is in both."""
    numbered = {f"ProfilerStep#{number}": at for number, at in enumerate(marks) if isinstance(at, int)}
    found = [
        numbered[trace.names[name]] / 1e3 - start
        for name, start, kind in zip(trace.host.name, trace.host.start, trace.host.kind, strict=True)
        if kind == ANNOTATION and trace.names[name] in numbered
    ]
    return median(np.array(found))


def late_batches(judged: Judged, trainer: Trainer, clock_us: float, run_start_ns: float) -> tuple[LateBatch, ...]:
    """Return the longest gaps in which the device waited for a batch, in the order of time."""
    gaps = judged.time.segments.of(INPUT)
    long = np.argsort(gaps.start - gaps.end)[:MOST]
    requests = columns_of(trainer.log.table("batch"), ("t0", "t1", "iterator", "index", "awaited"))
    found = []
    for at in sorted(long.tolist()):
        begin, end = float(gaps.start[at]), float(gaps.end[at])
        if end - begin < SHORTEST_US:
            continue
        began_ns, ended_ns = (begin + clock_us) * 1e3, (end + clock_us) * 1e3
        row = _request(requests, (began_ns + ended_ns) / 2)
        if row is not None:
            at_s = (began_ns + trainer.shift_ns - run_start_ns) / 1e9
            found.append(_late(trainer, requests, row, began_ns, ended_ns, at_s, judged.said.device))
    return tuple(found)


def _request(requests: Mapping[str, Array], at_ns: float) -> int | None:
    """Return the row of the request that was being waited for at a time."""
    inside = np.flatnonzero((requests["t0"] <= at_ns) & (requests["t1"] >= at_ns))
    return int(inside[-1]) if len(inside) else None


class _Fetch(NamedTuple):
    log: ProcessLog
    row: int
    t0: float
    t1: float


def _late(
    trainer: Trainer,
    requests: Mapping[str, Array],
    row: int,
    began_ns: float,
    ended_ns: float,
    at_s: float,
    device: int,
) -> LateBatch:
    batch, iterator = int(requests["index"][row]), int(requests["iterator"][row])
    made_by, logs = _makers(trainer, iterator, requests["awaited"][row])
    middle = (began_ns + ended_ns) / 2 + trainer.shift_ns
    doing, fetch = _doing(logs, batch, middle)
    operation, operation_ms, where = _costliest(fetch) if fetch else (None, None, None)
    return LateBatch(
        at_s=at_s,
        gap_ms=(ended_ns - began_ns) / 1e6,
        device=device,
        batch=batch,
        worker=made_by,
        doing=doing,
        making_ms=(fetch.t1 - fetch.t0) / 1e6 if fetch else None,
        operation=operation,
        operation_ms=operation_ms,
        where=where,
    )


def _makers(trainer: Trainer, iterator: int, awaited: float) -> tuple[int, list[tuple[ProcessLog, float]]]:
    """Return the number of the worker that owed the batch, and its log with its clock's shift: the trainer's own where it
    makes its batches."""
    workers = trainer.workers.get(iterator, [])
    if not workers:
        return -1, [(trainer.log, trainer.shift_ns)]
    number = int(awaited) if np.isfinite(awaited) else -1
    chosen = [worker for worker in workers if worker.number == number] or workers
    return number, [(worker.log, worker.shift_ns) for worker in chosen]


def _doing(logs: list[tuple[ProcessLog, float]], batch: int, at_ns: float) -> tuple[Doing, _Fetch | None]:
    """Return what was done about a batch at a time, and the making of which batch that was."""
    other: _Fetch | None = None
    for log, shift in logs:
        table = log.table("fetch")
        index, t0, t1 = (numbers(table, name) for name in ("index", "t0", "t1"))
        t0, t1 = t0 + shift, t1 + shift
        # Epochs count their batches anew: the nearest one of this number is meant.
        mine = np.flatnonzero(index == batch)
        if len(mine):
            row = int(mine[np.argmin(np.abs(t1[mine] - at_ns))])
            fetch = _Fetch(log, row, float(t0[row]), float(t1[row]))
            if fetch.t0 <= at_ns:
                return ("making it" if at_ns <= fetch.t1 else "handing it over"), fetch
        inside = np.flatnonzero((t0 <= at_ns) & (t1 >= at_ns))
        if len(inside):
            row = int(inside[-1])
            other = _Fetch(log, row, float(t0[row]), float(t1[row]))
    return ("making another", other) if other else ("unknown", None)


def _costliest(fetch: _Fetch) -> tuple[str | None, float | None, Place | None]:
    """Return the operation that took most of a batch's making, with its time and its line."""
    rows = as_list(fetch.log.table("fetch").pick("operations", [fetch.row])[0])
    known = [row for row in rows if isinstance(row, list) and len(row) >= 3 and isinstance(row[2], int | float)]
    if not known:
        return None, None, None
    number, _, own_ns = max(known, key=lambda row: row[2])[:3]
    named = next((row for row in reversed(fetch.log.table("op").dicts()) if row.get("op") == number), None)
    if named is None:
        return None, own_ns / 1e6, None
    file = named.get("file")
    place = Place(str(file), int(named.get("line") or 0), named.get("function")) if file else None
    return str(named.get("name")), own_ns / 1e6, place
