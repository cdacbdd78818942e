"""Paired timing: in every round each case runs once, in an order of its own, so that a drift of the machine hits all."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from gpuwatch.analyze.numbers.statistics import median_interval
from gpuwatch.model.measures import Interval

Key = TypeVar("Key", bound=Hashable)


def interleaved(
    cases: Mapping[Key, Callable[[], object]], rounds: int, told: Callable[[int], None] = lambda done: None
) -> dict[Key, list[float]]:
    """Return the seconds of every case in every round; each runs once before, unmeasured."""
    times: dict[Key, list[float]] = {key: [] for key in cases}
    order, draw = list(cases), random.Random(0)
    for round_ in range(-1, rounds):
        draw.shuffle(order)
        for key in order:
            start = time.perf_counter()
            cases[key]()
            if round_ >= 0:
                times[key].append(time.perf_counter() - start)
        told(round_ + 2)
    return times


def median(times: Sequence[float]) -> float:
    """Return the median of some times."""
    return statistics.median(times)


def ratio(before: Sequence[float], after: Sequence[float]) -> Interval:
    """Return before / after, paired by round: the median and its 95 % interval. Raises ValueError without a pair."""
    found = median_interval(np.array([b / a for b, a in zip(before, after, strict=True)], dtype=float))
    if found is None:
        raise ValueError("no round was measured")
    return found
