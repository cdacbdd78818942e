"""How a loader's workers come and go: whose pids are new in a pass, how long they take to stop, and what they wait for."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from gpuwatch.analyze.processes.sorting import place_in
from gpuwatch.analyze.wall_time.loaders import Loader
from gpuwatch.model.loader_profile import WorkerStops
from gpuwatch.model.measures import Place


def worker_starts(loader: Loader) -> int:
    """Return the passes whose workers were not those of the pass before, by their pids: what was set does not count."""
    starts, before = 0, frozenset[int]()
    for position, iterator in zip(loader.positions, loader.iterators, strict=True):
        pids = frozenset(pid for _, pid in iterator.workers)
        if pids and len(loader.walk.of(position)):
            starts += not pids <= before
            before = pids
    return starts


def worker_stops(loader: Loader) -> WorkerStops | None:
    """Describe how the workers of a loader were stopped; None where no stop was recorded."""
    mine = {iterator.id for iterator in loader.iterators}
    table, shift = loader.trainer.log.table("workers_stop"), loader.trainer.shift_ns
    stops = [row for row in table.dicts() if row.get("iterator") in mine and row.get("t1") and row.get("t0")]
    if not stops:
        return None
    events = np.flatnonzero((loader.walk.iterator >= 0) & (loader.walk.fields["end"] != 3))
    over = float(loader.walk.fields["t1"][events[-1]]) if len(events) else np.inf
    seconds = [(row["t1"] - row["t0"]) / 1e9 for row in stops]
    at_exit = sum(one for one, row in zip(seconds, stops, strict=True) if row["t0"] + shift >= over)
    (name, where), workers = _left_behind(loader)
    drops = [row for row in stops if row.get("exhausted") is False and row["t0"] + shift < over]
    dropped = Counter((place_in(row), _module(row.get("by"))) for row in drops).most_common(1)
    drop_where, drop_by = dropped[0][0] if dropped else (None, None)
    return WorkerStops(len(stops), sum(seconds), at_exit, name, where, workers, len(drops), drop_where, drop_by)


def _left_behind(loader: Loader) -> tuple[tuple[str | None, Place | None], int]:
    """Return the thread or process, with its line, that the most workers had left at their end, and how many had."""
    logs = {
        worker.log.name: worker.log
        for iterator in loader.iterators
        for worker in loader.trainer.workers.get(iterator.id, ())
    }
    found: Counter[tuple[str | None, Place | None]] = Counter()
    names: dict[Place | None, str] = {}
    for log in logs.values():
        for left in {
            _place(one): one for ended in log.table("worker_end").column("left") for one in ended or ()
        }.values():
            where = _place(left)
            found[names.setdefault(where, str(left[0])), where] += 1
    return found.most_common(1)[0] if found else ((None, None), 0)


def _place(left: list[Any]) -> Place | None:
    return place_in(dict(zip(("file", "line", "function"), left[1:], strict=False)))


def _module(by: Any) -> str | None:
    return str(by[0]) if isinstance(by, list) and by else None
