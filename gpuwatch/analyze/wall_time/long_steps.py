"""Steps far above the usual one: how many, how regular, and what ran in them."""

from __future__ import annotations

from typing import Literal

import numpy as np

from gpuwatch.analyze.numbers.arrays import numbers
from gpuwatch.analyze.numbers.statistics import Array, period, robust_spread
from gpuwatch.analyze.wall_time.loaders import Loader
from gpuwatch.analyze.wall_time.phases import Indices
from gpuwatch.analyze.wall_time.steps import Steps
from gpuwatch.model.measures import Place
from gpuwatch.model.profile import LongSteps

Cause = Literal["checkpoint", "gc", "evaluation", "unknown"]
_MIN_STEPS = 10
_TIMES_MEDIAN = 2.0
_SPREADS = 8.0
_MOST_SPANS = 2000


def find_long_steps(loader: Loader, steps: Steps) -> LongSteps | None:
    """Return the loader's long steps, by what the training itself did in them (waiting for data is not counted).

    A pause of the training's own comes before evaluation, which has its row in the phases."""
    if steps.count < _MIN_STEPS:
        return None
    at = np.flatnonzero(steps.steady)
    own = _outliers(steps.compute[at])
    if len(own):
        return _describe(loader, steps, at, own, steps.compute[at])
    whole = (steps.compute + steps.nested)[at]
    long = _outliers(whole)
    return _describe(loader, steps, at, long, whole) if len(long) else None


def _outliers(values: Array) -> Indices:
    """Return the positions of values far above the median; none when they are so many that they are the usual."""
    usual = float(np.median(values))
    limit = max(_TIMES_MEDIAN * usual, usual + _SPREADS * robust_spread(values))
    long = np.flatnonzero(values > limit)
    return long if len(long) <= len(values) / 4 else long[:0]


def _describe(loader: Loader, steps: Steps, at: Indices, long: Indices, values: Array) -> LongSteps:
    usual = float(np.median(values))
    excess = values[long] - usual
    chosen = at[long]
    begin, end = steps.begin[chosen], steps.end[chosen] - steps.wait[chosen]
    usual_gap, regular = period(chosen.astype(np.float64))
    cause, where = _cause(loader, steps, chosen, begin, end, excess)
    total = float((steps.wait + steps.compute + steps.nested)[at].sum())
    return LongSteps(
        count=len(long),
        excess_s=float(excess.sum()) / 1e9,
        share=float(excess.sum()) / total if total else 0.0,
        median_ms=usual / 1e6,
        period=usual_gap,
        regular=regular,
        where=where,
        cause=cause,
        evaluation_s=float(steps.nested[chosen].sum()) / 1e9 if cause != "evaluation" else 0.0,
        spans=tuple((int(a), int(b)) for a, b in zip(begin[:_MOST_SPANS], end[:_MOST_SPANS], strict=True)),
    )


def _cause(
    loader: Loader, steps: Steps, chosen: Indices, begin: Array, end: Array, excess: Array
) -> tuple[Cause, Place | None]:
    """Return what took at least half of the excess, and where a checkpoint was written."""
    half = float(excess.sum()) / 2
    saved, where = _checkpoints(loader, begin, end)
    if saved >= half:
        return "checkpoint", where
    if float(np.nansum(steps.gc[chosen])) >= half:
        return "gc", None
    if float(steps.nested[chosen].sum()) >= half:
        return "evaluation", None
    return "unknown", where if saved > half / 2 else None


def _checkpoints(loader: Loader, begin: Array, end: Array) -> tuple[float, Place | None]:
    """Return the time of named spans inside the steps (ns), and the line of the longest kind."""
    table, shift = loader.trainer.log.table("span"), loader.trainer.shift_ns
    t0, t1 = numbers(table, "t0") + shift, numbers(table, "t1") + shift
    by_place: dict[Place, float] = {}
    total = 0.0
    for row, start, stop in zip(table.dicts(), t0, t1, strict=True):
        at = int(np.searchsorted(begin, start, side="right")) - 1
        if at < 0 or start >= end[at]:
            continue
        length = min(stop, end[at]) - start
        total += length
        if row.get("file"):
            place = Place(row["file"], int(row.get("line") or 0), row.get("function"))
            by_place[place] = by_place.get(place, 0.0) + length
    return total, max(by_place, key=lambda place: by_place[place], default=None)
