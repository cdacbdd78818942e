"""The interval of a paired speed-up that stays valid however often it is looked at: a confidence sequence.

The log-ratios of the rounds are taken as normal around the true one, with unknown variance. For every candidate mean the
mixture likelihood ratio (effect normal with `SPREAD` variances, variance inverse-gamma with `PRIOR_ROUNDS` rounds of
`PRIOR_NOISE`) is a martingale while that candidate is true; the interval holds the candidates for which it has stayed
below 20, which happens to the true one in 95 % of experiments at whatever round they stop (Ville 1939).
Source: Lai, "On confidence sequences", 1976; Wang and Ramdas, "Anytime-valid t-tests and confidence sequences for
Gaussian means with unknown variance", Sequential Analysis 2025. The prior on the noise, which lets it begin with two rounds,
the allowance for rounds that resemble their neighbours and the limit to outliers are additions that no proof covers:
`scripts/bench_try` simulates what they cost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from gpuwatch.model.measures import Interval

ERROR = 0.05
# Variance of the effects that it is best at, in variances of a round's log-ratio.
SPREAD = 20.0
# What is known of a round's noise before the first one: one round's worth of 8 %.
PRIOR_ROUNDS, PRIOR_NOISE = 1.0, 0.08
# Rounds next to each other correlate by up to 0.3: the variance of their mean grows by (1 + 0.3) / (1 - 0.3).
CORRELATION = 0.3
LEAST_ROUNDS = 2
# A round in which another program ran counts as being this many scaled median absolute deviations away, or 15 %.
FARTHEST, LEAST_DEVIATION = 3.0, 0.05


def speedup(ratios: Sequence[float]) -> Interval | None:
    """Return the geometric mean of paired ratios with its always-valid 95 % interval; None without a ratio.

    One ratio has no interval: `low` and `high` are the ratio itself, `n` is 1."""
    logs = _limited([math.log(value) for value in ratios if value > 0 and math.isfinite(value)])
    if not logs:
        return None
    mean = sum(logs) / len(logs)
    squares = sum((value - mean) ** 2 for value in logs)
    reach = radius(len(logs), squares) if len(logs) >= LEAST_ROUNDS else 0.0
    return Interval(math.exp(mean), math.exp(mean - reach), math.exp(mean + reach), len(logs))


def _limited(logs: list[float]) -> list[float]:
    """Return values with those far from the median moved towards it."""
    if len(logs) <= LEAST_ROUNDS:
        return logs
    middle = median(logs)
    deviation = 1.4826 * median(abs(value - middle) for value in logs)
    reach = FARTHEST * max(deviation, LEAST_DEVIATION)
    return [min(max(value, middle - reach), middle + reach) for value in logs]


def radius(n: int, squares: float) -> float:
    """Return half the width of the interval, in logarithms, of `n` log-ratios whose squared deviations sum to `squares`."""
    grown = 1 + n * SPREAD
    bound = (math.sqrt(grown) / ERROR) ** (2 / (n + PRIOR_ROUNDS))
    known = (squares + PRIOR_ROUNDS * PRIOR_NOISE**2) / n
    inflated = known * (1 + CORRELATION) / (1 - CORRELATION)
    return math.sqrt(inflated * (bound - 1) / (1 - bound / grown))


def rounds_until(reach: float, value: Interval, most: int = 200) -> int | None:
    """Return how many rounds like those so far would bring the interval to within `reach` (in logarithms); None when more
    than `most` would."""
    variance = _variance(value)
    return next((n for n in range(LEAST_ROUNDS, most + 1) if radius(n, n * variance) <= reach), None)


def _variance(value: Interval) -> float:
    """Return the variance of a round's log-ratio that an interval shows, at least that of the prior."""
    if value.n < LEAST_ROUNDS:
        return PRIOR_NOISE**2
    reach = math.log(value.high / value.low) / 2
    scale = radius(value.n, 1.0) ** 2 - radius(value.n, 0.0) ** 2
    return max((reach**2 - radius(value.n, 0.0) ** 2) / scale / value.n, 0.0)
