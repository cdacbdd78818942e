"""From windows to a verdict: paired ratios per round, their mean and interval, and what that proves."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from gpuwatch.analyze.numbers.statistics import median_interval
from gpuwatch.experiments import sequential
from gpuwatch.experiments.session import Result
from gpuwatch.model.measures import Interval

# A change smaller than this is not worth an edit, whatever its interval.
WORTH = 0.03
# An interval that reaches further than this from 1 does not show that there is no difference.
UNCLEAR = 0.10
# One that reaches no further than this needs no more rounds.
SETTLED = 0.05
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
    return sequential.speedup([earlier[r.round] / r.step_ms for r in after if r.step_ms and r.round in earlier])


def outcome(value: Interval | None) -> Outcome:
    """Say what a ratio proves: its whole interval on one side of 1 and 3 % at least, or all of it near 1, or nothing."""
    if value is None:
        return "failed"
    if value.n < sequential.LEAST_ROUNDS:
        return "inconclusive"
    if value.low > 1.0 and value.median >= 1.0 + WORTH:
        return "helps"
    if value.high < 1.0 and value.median <= 1.0 - WORTH:
        return "hurts"
    return "no difference" if is_within(value, UNCLEAR) else "inconclusive"


def is_settled(value: Interval | None) -> bool:
    """Say whether more rounds would not change what a ratio proves."""
    if value is None or value.n < sequential.LEAST_ROUNDS:
        return False
    return outcome(value) in ("helps", "hurts") or is_within(value, SETTLED)


def is_within(value: Interval, share: float) -> bool:
    """Say whether an interval excludes every change that is larger than `share`."""
    return value.low >= 1 / (1 + share) and value.high <= 1 + share


def rounds_to_settle(value: Interval | None) -> int | None:
    """Return how many rounds, like those so far, it would take in all to settle a ratio; None when it is unknown or not
    to be had."""
    if value is None:
        return None
    effect = abs(math.log(value.median))
    return sequential.rounds_until(max(0.95 * effect, math.log(1 + SETTLED) - effect), value)


def is_tight(value: Interval | None, width: float) -> bool:
    """Say whether an interval is at most `width` of its median wide, so that more rounds would tell little."""
    return value is not None and value.high - value.low <= width * value.median
