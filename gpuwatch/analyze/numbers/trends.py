"""Slopes and change points of a short series, by methods that single outliers do not move."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gpuwatch.analyze.numbers.statistics import Array, robust_spread
from gpuwatch.model.measures import Interval

_NORMAL = 1.96


class Split(NamedTuple):
    """A series in two: from `at` on it is at another level; `error`: the absolute error that is left."""

    at: int
    before: float
    after: float
    error: float


def theil_sen(values: Array) -> Interval:
    """Return the median slope between all pairs of a series, per position, with Sen's 95 % interval."""
    n = len(values)
    first, second = np.triu_indices(n, 1)
    slopes = np.sort((values[second] - values[first]) / (second - first))
    reach = _NORMAL * np.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low = max(int((len(slopes) - reach) / 2), 0)
    high = min(int((len(slopes) + reach) / 2) + 1, len(slopes) - 1)
    return Interval(float(np.median(slopes)), float(slopes[low]), float(slopes[high]), n)


def concordance(values: Array) -> float:
    """Return Kendall's tau of a series with its order: 1 for one that always rises."""
    first, second = np.triu_indices(len(values), 1)
    return float(np.sign(values[second] - values[first]).mean())


def best_split(values: Array, margin: int) -> Split:
    """Return where to cut a series so that two levels, the medians, explain it best; `margin` values stay on each side."""
    cuts = range(margin, len(values) - margin + 1)
    return min((_split(values, at) for at in cuts), key=lambda split: split.error)


def _split(values: Array, at: int) -> Split:
    before, after = float(np.median(values[:at])), float(np.median(values[at:]))
    error = float(np.abs(values[:at] - before).sum() + np.abs(values[at:] - after).sum())
    return Split(at, before, after, error)


def line_error(values: Array, slope: float) -> float:
    """Return the absolute error that a line of this slope leaves."""
    rest = values - slope * np.arange(len(values))
    return float(np.abs(rest - np.median(rest)).sum())


def is_apart(values: Array, split: Split, times: float) -> bool:
    """Say whether the two levels differ by so many times what the values on either side spread."""
    spread = max(robust_spread(values[: split.at]), robust_spread(values[split.at :]))
    return abs(split.after - split.before) > times * spread


def clusters(values: Array, least_share: float, gap: float, most: int) -> list[Array]:
    """Return the groups of positive values, in order, that gaps of a ratio of `1 + gap` or more divide; empty unless there are
    two to `most`, each with `least_share` of the values: what lies between two groups, or far from all, is left out."""
    ordered = np.sort(values[values > 0])
    if len(ordered) < 2:
        return []
    bins = np.floor(np.log(ordered / ordered[0]) / np.log1p(gap / 2)).astype(int)
    counts = np.bincount(bins)
    kept = counts >= max(0.01 * len(ordered), 2)
    runs = np.flatnonzero(np.diff(np.concatenate(([False], kept, [False])).astype(int)))
    found = [ordered[(bins >= a) & (bins < b)] for a, b in _joined(runs.reshape(-1, 2).tolist())]
    large = [group for group in found if len(group) >= least_share * len(ordered)]
    covered = sum(map(len, large)) >= 0.9 * len(ordered)
    return large if 2 <= len(large) <= most and covered else []


def _joined(runs: list[list[int]]) -> list[list[int]]:
    """Join runs of bins that a single bin divides: that is less than the gap."""
    joined: list[list[int]] = []
    for begin, end in runs:
        if joined and begin - joined[-1][1] < 2:
            joined[-1][1] = end
        else:
            joined.append([begin, end])
    return joined
