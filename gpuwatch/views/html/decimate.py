"""Long series as few buckets: minimum, median and maximum per bucket of equal time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gpuwatch.records import dataclass

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of all values, before anything was left out."""

    n: int
    low: float
    median: float
    mean: float
    p95: float
    high: float


@dataclass(frozen=True, slots=True)
class Buckets:
    """`low`, `mid` (median), `high` per bucket of equal time; NaN where nothing was measured."""

    low: Floats
    mid: Floats
    high: Floats


def series(t_s: Sequence[float], values: Sequence[float | None]) -> tuple[Floats, Floats]:
    """Return times and values as arrays in the order of time; missing values are NaN."""
    times, numbers = np.asarray(t_s, np.float64), np.asarray(values, np.float64)
    shortest = min(len(times), len(numbers))
    times, numbers = times[:shortest], numbers[:shortest]
    if np.any(np.diff(times) < 0):
        order = np.argsort(times, kind="stable")
        times, numbers = times[order], numbers[order]
    return times, numbers


def statistics(values: Floats) -> Statistics | None:
    """Return the statistics of what was measured; None when nothing was."""
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    low, median, p95, high = np.percentile(known, (0, 50, 95, 100))
    return Statistics(len(known), float(low), float(median), float(known.mean()), float(p95), float(high))


def line_buckets(times: Floats, values: Floats, seconds: float, count: int) -> Buckets:
    """Return `count` buckets over 0..seconds. `times` must be sorted."""
    known = np.isfinite(values) & (times >= 0) & (times <= seconds)
    values = values[known]
    bucket = np.minimum((times[known] * (count / seconds)).astype(np.int64), count - 1)
    empty = np.full(count, np.nan)
    if not len(values):
        return Buckets(empty, empty.copy(), empty.copy())
    ordered = values[np.lexsort((values, bucket))]
    starts = np.flatnonzero(np.diff(bucket, prepend=-1))
    ends = np.append(starts[1:], len(values))
    low, mid, high = empty, empty.copy(), empty.copy()
    at = bucket[starts]
    low[at], high[at] = ordered[starts], ordered[ends - 1]
    mid[at] = (ordered[(starts + ends - 1) // 2] + ordered[(starts + ends) // 2]) / 2
    return Buckets(low, mid, high)


def bridge(buckets: Buckets, longest: int) -> Buckets:
    """Return the buckets with holes of up to `longest` filled from the left: sparse samples, not gaps."""
    known = np.isfinite(buckets.mid)
    if not known.any():
        return buckets
    index = np.arange(len(known))
    last = np.maximum.accumulate(np.where(known, index, -1))
    following = np.minimum.accumulate(np.where(known, index, len(known))[::-1])[::-1]
    inside = (last >= 0) & (following < len(known)) & (following - last <= longest + 1)
    source = np.where(inside, last, index)
    return Buckets(buckets.low[source], buckets.mid[source], buckets.high[source])


def usual_hole(times: Floats, seconds: float, count: int) -> int:
    """Return how many empty buckets are no gap: thrice the median distance of two values, or a hundredth of the run."""
    return int(max(3 * float(np.median(np.diff(times)) if len(times) > 1 else 0.0), seconds / 100) * count / seconds)


def span_columns(spans: Sequence[tuple[float, float, str]]) -> tuple[Floats, Floats, list[str], npt.NDArray[np.intp]]:
    """Return starts, ends, the labels there are, and each span's position in these."""
    if all(hasattr(spans, name) for name in ("starts", "ends", "label", "labels")):
        kept: Any = spans
        return kept.starts, kept.ends, list(kept.labels), kept.label.astype(np.intp)
    labels = sorted({label for _, _, label in spans})
    number = {label: at for at, label in enumerate(labels)}
    starts, ends = (np.array([span[at] for span in spans], dtype=np.float64) for at in (0, 1))
    return starts, ends, labels, np.array([number[span[2]] for span in spans], dtype=np.intp)


def span_shares(spans: Sequence[tuple[float, float, str]], labels: Sequence[str], seconds: float, count: int) -> Floats:
    """Return, per label and bucket, the share of the bucket's time that spans of that label cover."""
    shares = np.zeros((len(labels), count))
    if not len(spans) or seconds <= 0:
        return shares
    starts, ends, known, number = span_columns(spans)
    starts, ends = (np.clip(edges * (count / seconds), 0, count) for edges in (starts, ends))
    for at, label in enumerate(labels):
        chosen = number == known.index(label) if label in known else np.zeros(len(number), dtype=bool)
        shares[at] = _covered(starts[chosen], ends[chosen], count)
    return np.clip(shares, 0, 1)


def _covered(starts: Floats, ends: Floats, count: int) -> Floats:
    """Return how much of each unit interval is covered, from the integral of the number of open spans."""
    if not len(starts):
        return np.zeros(count)
    slope = np.zeros(count + 2)
    level = np.zeros(count + 2)
    for edges, sign in ((starts, 1.0), (ends, -1.0)):
        cell = np.minimum(edges.astype(np.int64), count)
        np.add.at(level, cell, sign * (cell + 1 - edges))
        np.add.at(slope, cell + 1, sign)
    return (level + np.cumsum(slope))[:count]
