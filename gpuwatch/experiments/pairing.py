"""From windows to a verdict: paired ratios per round, their median and interval, helps / no difference / hurts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from gpuwatch.analyze.statistics import median_interval
from gpuwatch.experiments.session import Result
from gpuwatch.model import Interval

# A change smaller than this is not worth an edit, whatever its interval.
WORTH = 0.03
Outcome = Literal["helps", "no difference", "hurts", "failed"]


def by_arm(results: Iterable[Result]) -> dict[str, list[Result]]:
    """Group the results that measured something by their arm and kind."""
    groups: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        if result.step_ms is not None:
            groups[result.arm].append(result)
    return dict(groups)


def step_interval(results: Sequence[Result]) -> Interval | None:
    """Return the step time of an arm (ms) over its windows; None without one."""
    return median_interval(np.array([r.step_ms for r in results if r.step_ms is not None], dtype=float))


def rate_interval(results: Sequence[Result]) -> Interval | None:
    """Return the batches per second of an arm over its windows; None without one."""
    return median_interval(np.array([1e3 / r.step_ms for r in results if r.step_ms], dtype=float))


def ratio(before: Sequence[Result], after: Sequence[Result]) -> Interval | None:
    """Return before / after step time, paired by round: above 1 the change is faster. None without a pair."""
    earlier = {r.round: r.step_ms for r in before if r.step_ms}
    pairs = [earlier[r.round] / r.step_ms for r in after if r.step_ms and r.round in earlier]
    return median_interval(np.array(pairs, dtype=float))


def outcome(value: Interval | None) -> Outcome:
    """Say whether a ratio means that the change helps: its whole interval on one side, and by 3 % at least."""
    if value is None:
        return "failed"
    if value.low > 1.0 and value.median >= 1.0 + WORTH:
        return "helps"
    if value.high < 1.0 and value.median <= 1.0 - WORTH:
        return "hurts"
    return "no difference"
