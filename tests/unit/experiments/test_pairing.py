"""Ratios are paired by round, and say no more than they show."""

from __future__ import annotations

import pytest

from gpuwatch.experiments.pairing import by_arm, is_tight, outcome, rate_interval, ratio, step_interval
from gpuwatch.experiments.session import Result
from gpuwatch.model.measures import Interval


def result(arm: str, round_: int, step_ms: float | None, note: str | None = None) -> Result:
    seconds = None if step_ms is None else step_ms / 100
    return Result(arm, round_, "real", 10, 40, seconds, 0.1, note)


def arm(name: str, *steps_ms: float) -> list[Result]:
    return [result(name, number, step) for number, step in enumerate(steps_ms)]


def test_a_drift_that_hits_both_arms_alike_leaves_the_ratio_alone() -> None:
    drift = [1.0, 1.5, 2.0, 3.0]
    found = ratio(arm("before", *(20 * d for d in drift)), arm("after", *(10 * d for d in drift)))
    assert found is not None
    assert (found.low, found.median, found.high, found.n) == pytest.approx((2, 2, 2, 4))


def test_rounds_without_a_partner_are_left_out() -> None:
    found = ratio(arm("before", 20, 20), arm("after", 10, 10, 1))
    assert found is not None and found.n == 2
    assert ratio(arm("before", 20), []) is None


def test_failed_windows_are_no_measurements() -> None:
    groups = by_arm([result("a", 0, 10), result("a", 1, None, "it raised")])
    assert [r.round for r in groups["a"]] == [0]
    assert step_interval([result("a", 1, None)]) is None and rate_interval([]) is None


def test_rates_are_per_second() -> None:
    found = rate_interval(arm("a", 20, 20, 20))
    assert found is not None and found.median == pytest.approx(50)


@pytest.mark.parametrize(
    ("interval", "said"),
    [
        (Interval(1.5, 1.4, 1.6, 4), "helps"),
        (Interval(0.7, 0.6, 0.8, 4), "hurts"),
        (Interval(1.02, 1.01, 1.03, 4), "no difference"),
        (Interval(1.0, 0.95, 1.05, 4), "no difference"),
        (Interval(1.1, 0.8, 1.5, 4), "inconclusive"),
        (Interval(1.5, 1.5, 1.5, 1), "inconclusive"),
        (None, "failed"),
    ],
)
def test_a_verdict_says_no_more_than_the_interval(interval: Interval | None, said: str) -> None:
    assert outcome(interval) == said


def test_a_tight_interval_needs_no_more_rounds() -> None:
    assert is_tight(Interval(10, 9.9, 10.1, 4), 0.03)
    assert not is_tight(Interval(10, 9, 11, 4), 0.03) and not is_tight(None, 0.03)
