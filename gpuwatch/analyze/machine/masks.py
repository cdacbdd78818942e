"""Which cores the trainer and its workers may use, who took the others away, and whether these are idle."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpuwatch.analyze.machine.usage import Window
from gpuwatch.analyze.numbers.arrays import as_list, numbers
from gpuwatch.analyze.processes.sorting import Processes, Trainer, Worker, meta_of
from gpuwatch.model.measures import Place
from gpuwatch.model.recording import ProcessLog
from gpuwatch.model.worker_profile import CpuMasks

Mask = frozenset[int]
_NONE: Mask = frozenset()


def cpu_masks(processes: Processes, window: Window) -> CpuMasks | None:
    """Return what was recorded of the masks on the run's host; None where no process wrote its own."""
    trainers = [one for one in processes.trainers if len(one.log.table("cpus"))]
    if not trainers:
        return None
    sampler = meta_of(processes.sampler) if processes.sampler else {}
    given, allowed = _mask(sampler.get("cpus")), _mask(sampler.get("allowed_cpus"))
    started, trainer = _union(trainers, "start"), _union(trainers, None)
    workers = _workers(processes)
    ended = frozenset().union(*(_masks(worker.log)[-1][1] for worker in workers)) if workers else _NONE
    online = max((int(one.meta.get("cpu_count") or 0) for one in trainers), default=0)
    by, narrow = _narrowed(online, allowed, given, started, trainer, ended, workers)
    outside, inside = _use(processes.sampler, window, narrow, ended or trainer)
    return CpuMasks(
        online=online or None,
        allowed=len(allowed) or None,
        given=len(given) or None,
        started=len(started) or None,
        trainer=len(trainer) or None,
        workers=len(ended) or None,
        narrowed_by=by,
        set_where=_set_where(processes, by),
        idle_outside=outside,
        used_inside=inside,
    )


def _mask(value: Any) -> Mask:
    return frozenset(int(core) for core in as_list(value) if isinstance(core, int))


def _masks(log: ProcessLog) -> list[tuple[str, Mask]]:
    """Return the masks of a process in their order, each with the moment it was noted at."""
    rows = [row for row in log.table("cpus").dicts() if row.get("pid") in (None, log.pid)]
    return [(str(row.get("moment")), _mask(row.get("cpus"))) for row in rows if row.get("cpus")]


def _union(trainers: list[Trainer], moment: str | None) -> Mask:
    """Return the cores of all trainers together: at a moment, or the last that they had."""
    found = [_masks(trainer.log) for trainer in trainers]
    chosen = [[mask for name, mask in masks if moment in (None, name)] for masks in found]
    return frozenset().union(*(masks[-1] for masks in chosen if masks))


def _workers(processes: Processes) -> list[Worker]:
    mine = [worker for trainer in processes.trainers for some in trainer.workers.values() for worker in some]
    return list({id(worker): worker for worker in mine if _masks(worker.log)}.values())


def _narrowed(
    online: int, allowed: Mask, given: Mask, started: Mask, trainer: Mask, ended: Mask, workers: list[Worker]
) -> tuple[str | None, Mask]:
    """Return who took cores away last, and the cores that were there before."""
    if ended and len(ended) < len(trainer):
        begun = frozenset().union(*(_masks(worker.log)[0][1] for worker in workers))
        return ("worker" if len(begun) > len(ended) else "inherited"), trainer
    steps = (("trainer", started, trainer), ("command", given, started), ("launcher", allowed, given))
    for by, before, after in steps:
        if before and after and len(after) < len(before):
            return by, allowed or before
    if allowed and online > len(allowed):
        return "cpuset", frozenset(range(online))
    return None, _NONE


def _set_where(processes: Processes, by: str | None) -> Place | None:
    """Return the line that set the mask: in a worker, or in the trainer for itself or for its workers."""
    logs = [worker.log for worker in _workers(processes)] if by in ("worker", "inherited") else []
    rows = [row for log in (*logs, *(one.log for one in processes.trainers)) for row in log.table("cpus").dicts()]
    called = [row for row in rows if row.get("moment") == "set" and row.get("file") and row.get("line")]
    if not called or by not in ("worker", "inherited", "trainer"):
        return None
    return Place(str(called[0]["file"]), int(called[0]["line"]), called[0].get("function"))


def _use(sampler: ProcessLog | None, window: Window, before: Mask, after: Mask) -> tuple[float | None, float | None]:
    """Return how many of the cores that were taken away were idle, and how many of those left were used, on average."""
    table = sampler.table("cpu") if sampler else None
    if table is None or not before or not len(table):
        return None, None
    t = numbers(table, "t")
    rows = [as_list(busy) for busy, at in zip(table.column("busy"), t, strict=True) if window[0] <= at <= window[1]]
    rows = rows or [as_list(busy) for busy in table.column("busy")]
    width = max(before | after) + 1
    # The list has the cores that are online, in their order: without gaps these are their numbers.
    rows = [row for row in rows if len(row) >= width]
    if not rows:
        return None, None
    busy = np.mean([row[:width] for row in rows], axis=0)
    return float(sum(1.0 - busy[core] for core in before - after)), float(sum(busy[core] for core in after))
