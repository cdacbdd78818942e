"""Times in which all ranks but one wait: for the one that prepares, evaluates or saves meanwhile.

Calls that waited long for other ranks are in the event log. Where the waiting is in the backward pass, the steps tell: one rank
is far longer than usual in its own part, and all others wait as long.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from gpuwatch.analyze.loops import Analysis
from gpuwatch.analyze.nodes.steps import main_loops, table_of
from gpuwatch.analyze.processes.sorting import Trainer, place_in
from gpuwatch.analyze.wall_time.steps import windows
from gpuwatch.model.measures import Place
from gpuwatch.model.rank_comparison import Doing, RankWork

# Shorter than this is one rank being late, or a call that is long by itself.
_SHORTEST_NS = 100e6
# Far longer than a rank's usual step.
_LONGER = 3.0


class _Alone(NamedTuple):
    """A time (ns, on the first node's clock) in which one rank was the only one that did not wait."""

    rank: int
    begin: float
    end: float
    waits_at: Place | None


class _Side(NamedTuple):
    """One rank, and what to add to its times to have them on the first node's clock (ns)."""

    analysis: Analysis
    trainer: Trainer
    shift: float


def find_rank_work(nodes: Sequence[Analysis], shifts: Sequence[float]) -> tuple[RankWork, ...] | None:
    """Return what each rank did while all others waited, the longest first; None where not all ranks are there, or where
    their calls that wait for each other were not recorded. `shifts` (ns): what to add to each node's times."""
    sides = [_Side(node, t, shift) for node, shift in zip(nodes, shifts, strict=True) for t in node.processes.trainers]
    if len(sides) < 2 or any(len(sides) != side.trainer.world_size for side in sides):
        return None
    if any("exchange" not in side.trainer.log.header["columns"] for side in sides):
        return None
    called = list(_by_calls(sides))
    found = [*called, *_by_steps(nodes, shifts, called)]
    by_rank: dict[int, list[_Alone]] = defaultdict(list)
    for alone in found:
        by_rank[alone.rank].append(alone)
    whole = sum(one.end - one.begin for one in found)
    work = [_work(next(s for s in sides if s.trainer.rank == rank), times, whole) for rank, times in by_rank.items()]
    return tuple(sorted(work, key=lambda one: -one.seconds))


def _by_calls(sides: Sequence[_Side]) -> Iterable[_Alone]:
    """Yield the times in which all ranks but one were inside a call that waits."""
    edges = []
    for side in sides:
        for row in side.trainer.log.table("exchange").dicts():
            if row.get("t0") and row.get("t1"):
                shift = side.trainer.shift_ns + side.shift
                edges += [
                    (row["t0"] + shift, 1, side.trainer.rank, place_in(row)),
                    (row["t1"] + shift, 0, side.trainer.rank, None),
                ]
    everybody = {side.trainer.rank for side in sides}
    waiting: dict[int, Place | None] = {}
    since = 0.0
    for t, enters, rank, place in sorted(edges, key=lambda edge: edge[:3]):
        missing = everybody - waiting.keys()
        if len(missing) == 1 and t - since >= _SHORTEST_NS:
            yield _Alone(missing.pop(), since, t, next(iter(waiting.values())))
        since = t
        if enters:
            waiting[rank] = place
        else:
            waiting.pop(rank, None)


def _by_steps(nodes: Sequence[Analysis], shifts: Sequence[float], called: Sequence[_Alone]) -> Iterable[_Alone]:
    """Yield the long steps of one rank in which the others wait in their backward pass."""
    table = table_of(nodes)
    if table is None:
        return
    shift = {t.rank: s for node, s in zip(nodes, shifts, strict=True) for t in node.processes.trainers}
    for n, rank in enumerate(table.ranks):
        others = np.delete(np.arange(len(table.ranks)), n)
        excess = table.own[n] - np.median(table.own[others], axis=0)
        waited = table.waited[others].min(axis=0)
        long = (excess >= _SHORTEST_NS) & (table.own[n] >= _LONGER * np.median(table.own[n])) & (waited >= excess / 2)
        for k in np.flatnonzero(long):
            begin = float(table.begin[n, k]) + shift[rank]
            end = begin + float(table.total[n, k])
            if not any(alone.begin < end and begin < alone.end for alone in called):
                yield _Alone(rank, begin, begin + float(waited[k]), None)


def _work(side: _Side, times: Sequence[_Alone], whole: float) -> RankWork:
    spent: Counter[tuple[Doing, Place | None]] = Counter()
    for alone in times:
        begin, end = alone.begin - side.shift, alone.end - side.shift
        spent[_doing(side, begin, end)] += int(alone.end - alone.begin)
    (doing, where), _ = spent.most_common(1)[0]
    seconds = sum(alone.end - alone.begin for alone in times)
    return RankWork(
        rank=side.trainer.rank,
        seconds=seconds / 1e9,
        times=len(times),
        doing=doing,
        where=where,
        waits_at=next((alone.waits_at for alone in times if alone.waits_at), None),
        shown=seconds / whole if whole > 0 else 0.0,
    )


def _doing(side: _Side, begin: float, end: float) -> tuple[Doing, Place | None]:
    """Return what a rank did in a time of its own clock, and at which line if that is recorded."""
    loops = side.analysis.loops_of(next(walk for walk in side.analysis.walks if walk.trainer is side.trainer))
    found: list[tuple[float, Doing, Place | None]] = []
    for row in side.trainer.log.table("span").dicts():
        if row.get("t0") and row.get("t1"):
            shift = side.trainer.shift_ns
            found.append((_common(begin, end, row["t0"] + shift, row["t1"] + shift), "saving", place_in(row)))
    for loop in loops:
        if loop.profile.role == "evaluation":
            seen = sum(_common(begin, end, a, b) for a, b in windows(loop.loader))
            found.append((seen, "evaluation", loop.profile.iterated_where or loop.profile.created_where))
    most = max(found, key=lambda one: one[0], default=None)
    if most is not None and most[0] >= (end - begin) / 2:
        return most[1], most[2]
    main = next((loop for loop in main_loops([side.analysis]) if loop.loader.trainer is side.trainer), None)
    inside = windows(main.loader) if main else []
    if inside and end <= inside[0][0] + _SHORTEST_NS:
        return "startup", None
    return ("step", None) if any(a <= begin < b for a, b in inside) else ("between loops", None)


def _common(begin: float, end: float, a: float, b: float) -> float:
    return max(min(end, b) - max(begin, a), 0.0)
