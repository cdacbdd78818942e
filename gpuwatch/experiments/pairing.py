"""From windows to a verdict: paired ratios per round, their median and interval, and what that proves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from gpuwatch.analyze.numbers.statistics import median_interval
from gpuwatch.experiments.session import Result
from gpuwatch.model.measures import Interval

# A change smaller than this is not worth an edit, whatever its interval.
WORTH = 0.03
# An interval that reaches further than this from 1 does not show that there is no difference.
UNCLEAR = 0.15
LEAST_ROUNDS = 3
Outcome = Literal["helps", "no difference", "hurts", "inconclusive", "failed"]


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
    """Say what a ratio proves: its whole interval on one side of 1 and 3 % at least, or all of it near 1, or nothing."""
    if value is None:
        return "failed"
    if value.n < LEAST_ROUNDS:
        return "inconclusive"
    if value.low > 1.0 and value.median >= 1.0 + WORTH:
        return "helps"
    if value.high < 1.0 and value.median <= 1.0 - WORTH:
        return "hurts"
    return "no difference" if value.low > 1 - UNCLEAR and value.high < 1 + UNCLEAR else "inconclusive"


def is_tight(value: Interval | None, width: float) -> bool:
    """Say whether an interval is at most `width` of its median wide, so that more rounds would tell little."""
    return value is not None and value.high - value.low <= width * value.median
