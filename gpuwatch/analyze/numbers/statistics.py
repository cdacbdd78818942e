"""Medians and shares with bootstrap intervals, and the period of rare events. Deterministic: the seed is fixed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuwatch.model.measures import Interval

Array = NDArray[np.float64]
_SEED = 20261120
_ROUNDS = 400
# Enough blocks for an interval, few enough that a block outlasts what neighbouring steps share.
_BLOCKS = 60
_MAX_SAMPLES = 500
_Z = 1.96
# Where none of n independent samples shows something, it is rarer than three in n with 95 % certainty.
_RARER = 3.0


def percentiles(values: Array, *percents: float) -> list[float]:
    """Return percentiles of some values, as numpy's own does. (That imports masked arrays first, 4 MB of them.)"""
    ordered = np.sort(values)
    at = np.array(percents) / 100 * (len(ordered) - 1)
    found: list[float] = np.interp(at, np.arange(len(ordered)), ordered).tolist()
    return found


def middle(values: Array) -> float:
    """Return the median of some values. (numpy's own imports masked arrays first.)"""
    ordered, n = np.sort(values), len(values)
    return float((ordered[(n - 1) // 2] + ordered[n // 2]) / 2)


def median_interval(values: Array) -> Interval | None:
    """Return the median of independent values with its 95 % bootstrap interval; None without values."""
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    if len(values) > _MAX_SAMPLES:
        return _rank_interval(values)
    draws = _draw(len(values))
    medians = np.median(values[draws], axis=1)
    low, high = percentiles(medians, 2.5, 97.5)
    return Interval(float(np.median(values)), low, high, len(values))


def _rank_interval(values: Array) -> Interval:
    """Return the median with its order-statistic interval: what the bootstrap converges to, without its memory."""
    ordered, n = np.sort(values), len(values)
    reach = 0.98 * np.sqrt(n)
    low, high = ordered[int(n / 2 - reach)], ordered[min(int(n / 2 + reach), n - 1)]
    return Interval(float(np.median(ordered)), float(low), float(high), n)


def mean_interval(values: Array, group: int = 1) -> Interval | None:
    """Return the mean of a series with its 95 % block-bootstrap interval; `group` steps belong together."""
    ones = np.ones(len(values))
    return ratio_interval(values, ones, group)


def ratio_interval(part: Array, whole: Array, group: int = 1) -> Interval | None:
    """Return sum(part) / sum(whole) over a series with its 95 % block-bootstrap interval.

    Blocks, because neighbouring steps are not independent: workers deliver in bursts of `group`."""
    known = np.isfinite(part) & np.isfinite(whole)
    part, whole = part[known], whole[known]
    if not len(part) or whole.sum() <= 0:
        return None
    point = float(part.sum() / whole.sum())
    parts, wholes = _block_sums(part, group), _block_sums(whole, group)
    draws = _draw(len(parts))
    totals = wholes[draws].sum(axis=1)
    ratios = parts[draws].sum(axis=1)[totals > 0] / totals[totals > 0]
    low, high = percentiles(ratios, 2.5, 97.5) if len(ratios) else (point, point)
    return Interval(point, min(low, point), max(high, point), len(part))


def share_of_blocks(parts: Sequence[float], wholes: Sequence[float], n: int) -> Interval | None:
    """Return sum(parts) / sum(wholes) of `n` samples, in blocks that may be taken as independent, with its interval."""
    found = ratio_interval(np.array(parts), np.array(wholes))
    return None if found is None else no_narrower(found, n)


def no_narrower(found: Interval, n: int) -> Interval:
    """Return an interval at least as wide as that of `n` independent samples (Wilson's): few blocks tell little of
    themselves."""
    p = found.median
    middle = (p + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    reach = _Z * np.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2)) / (1 + _Z**2 / n)
    low, high = max(middle - reach, 0.0), min(middle + reach, 1.0)
    return Interval(p, min(found.low, float(low)), max(found.high, float(high), min(_RARER / n, 1.0)), n)


def _block_sums(values: Array, group: int) -> Array:
    size = block_length(len(values), group)
    return np.add.reduceat(values, np.arange(0, len(values), size))


def block_length(n: int, group: int) -> int:
    """Return the steps of a block: a multiple of `group` while that leaves at least eight blocks."""
    wanted = max(n // _BLOCKS, 1)
    group = max(group, 1)
    if n // group >= 8:
        return -(-wanted // group) * group
    return wanted


@lru_cache(maxsize=4)
def _draw(n: int) -> NDArray[Any]:
    """Return the rounds' samples. (numpy's own generators come with 6 MB of libraries.)"""
    drawn = np.frombuffer(Random(_SEED).randbytes(4 * _ROUNDS * n), np.uint32)
    return (drawn % n).reshape(_ROUNDS, n).astype(np.int64)


def robust_spread(values: Array) -> float:
    """Return the standard deviation estimated from the median absolute deviation."""
    return float(1.4826 * np.median(np.abs(values - np.median(values)))) if len(values) else 0.0


def period(positions: Array) -> tuple[float | None, bool]:
    """Return the usual distance between events, and whether they are regular (at least three, most at that distance).

    Missed events count: a distance of two or three periods is as good as one."""
    gaps = np.diff(np.sort(positions))
    gaps = gaps[gaps > 0]
    if not len(gaps):
        return None, False
    usual = float(np.median(gaps))
    times = np.maximum(np.round(gaps / usual), 1)
    off = np.abs(gaps - times * usual) / usual
    regular = len(gaps) >= 2 and usual >= 2 and float(np.mean(off <= 0.1)) >= 0.8
    return usual, bool(regular)


def mean(values: Array) -> float | None:
    """Return the mean of the known values; None when none is known."""
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else None


def median(values: Array) -> float | None:
    """Return the median of the known values; None when none is known."""
    values = values[np.isfinite(values)]
    return middle(values) if len(values) else None
