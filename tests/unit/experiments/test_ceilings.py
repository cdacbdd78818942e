"""Which half is the limit, and how many cores would balance the two."""

from __future__ import annotations

import pytest

from gpuwatch.experiments import ceilings
from gpuwatch.experiments.session import Result
from gpuwatch.model.experiment import Ceiling
from gpuwatch.model.measures import Interval


def sure(rate: float) -> Interval:
    return Interval(rate, rate * 0.99, rate * 1.01, 4)


def ceiling(cores: int, device: float, loader: float) -> Ceiling:
    return Ceiling(cores, sure(min(device, loader)), sure(device), sure(loader), "loader")


def test_every_round_has_all_arms_and_each_arm_every_place() -> None:
    rounds = [ceilings.round_of(2, number, 1.0) for number in range(3)]
    assert all({w.kind for w in windows} == {"real", "cached", "loader"} for windows in rounds)
    assert {windows[0].kind for windows in rounds} == {"real", "cached", "loader"}
    assert all(w.cores == 2 for windows in rounds for w in windows)


@pytest.mark.parametrize(
    ("device", "loader", "limit"),
    [(sure(100), sure(50), "loader"), (sure(50), sure(100), "device"), (sure(100), sure(97), "balanced"),
     (Interval(100, 60, 140, 4), Interval(80, 50, 120, 4), "balanced")],
)  # fmt: skip
def test_the_limit_is_the_lower_half_if_they_can_be_told_apart(device: Interval, loader: Interval, limit: str) -> None:
    assert ceilings.limit_of(device, loader) == limit


def test_balance_is_interpolated_between_measured_counts_and_taken_on_beyond_them() -> None:
    assert ceilings.balance_cores([ceiling(1, 100, 50), ceiling(3, 100, 150)]) == pytest.approx(2.0)
    assert ceilings.balance_cores([ceiling(1, 100, 20), ceiling(2, 100, 40)]) == pytest.approx(5.0)
    assert ceilings.balance_cores([ceiling(2, 100, 300)]) == 2.0
    assert ceilings.balance_cores([]) is None


def test_a_count_with_an_arm_missing_gives_no_ceiling() -> None:
    known = [Result(f"{name} @1", 0, kind, 10, 10, 0.2, 0.0, None) for name, kind in ceilings.ARMS]
    assert [c.cores for c in ceilings.conclude(known, [1, 2])] == [1]
    assert ceilings.conclude(known[:2], [1]) == ()
