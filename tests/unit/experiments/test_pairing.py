"""Ratios are paired by round, and say no more than they show."""

from __future__ import annotations

import pytest

from gpuwatch.experiments.pairing import (
    by_arm,
    is_settled,
    is_tight,
    outcome,
    rate_interval,
    ratio,
    rounds_to_settle,
    step_interval,
)
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
    assert (found.median, found.n) == (pytest.approx(2), 4)
    assert 1.6 < found.low < 2 < found.high < 2.5, "the noise that was there before the first round is in it"


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
        (Interval(2.95, 2.61, 3.29, 2), "helps"),
        (Interval(1.05, 0.97, 1.14, 8), "inconclusive"),
        (Interval(1.5, 1.5, 1.5, 1), "inconclusive"),
        (None, "failed"),
    ],
)
def test_a_verdict_says_no_more_than_the_interval(interval: Interval | None, said: str) -> None:
    assert outcome(interval) == said


def test_a_ratio_is_settled_once_more_rounds_would_not_change_its_verdict() -> None:
    assert is_settled(Interval(3.0, 1.8, 5.0, 2)) and is_settled(Interval(1.0, 0.97, 1.04, 12))
    assert not is_settled(Interval(1.0, 0.92, 1.08, 6)), "no difference so far, but one of 8 % is not excluded"
    assert not is_settled(Interval(3.0, 3.0, 3.0, 1)) and not is_settled(None)


def test_the_rounds_that_would_settle_a_ratio_grow_as_the_effect_shrinks() -> None:
    wide, narrow, none = (rounds_to_settle(Interval(ratio, ratio / 1.2, ratio * 1.2, 6)) for ratio in (1.5, 1.15, 1.0))
    assert wide is not None and narrow is not None and none is not None
    assert wide <= 6 < narrow < none
    assert rounds_to_settle(Interval(1.0, 0.2, 5.0, 8)) is None and rounds_to_settle(None) is None


def test_a_tight_interval_needs_no_more_rounds() -> None:
    assert is_tight(Interval(10, 9.9, 10.1, 4), 0.03)
    assert not is_tight(Interval(10, 9, 11, 4), 0.03) and not is_tight(None, 0.03)
