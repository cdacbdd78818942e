"""A threshold is a number; while comparisons are kept, each one is, as `value sign threshold`."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from gpuwatch.diagnosis.evidence import STARVED_SHARE, above
from gpuwatch.diagnosis.thresholds import Comparison, NoThresholds, State, Threshold, comparisons
from gpuwatch.model.measures import Interval

HALF = Threshold(0.5, "share of the step", "A reason.", "half")
TWO = Threshold(2, "times", "A reason.", "two")
Compare = Callable[[float, float], bool]


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    share: Threshold = Threshold(0.2, "share of the step", "A reason.")
    again: Threshold = Threshold(0.2, "share of the step", "Another reason.")
    note: str = "no threshold"


def kept(compare: Compare, left: float, right: float) -> tuple[bool, list[Comparison]]:
    with comparisons() as made:
        result = compare(left, right)
    return result, made


@pytest.mark.parametrize("value", [0.3, 0.5, 0.7, 0, 1, True], ids=repr)
@pytest.mark.parametrize(
    ("compare", "sign", "turned"),
    [
        (operator.lt, "<", operator.gt),
        (operator.le, "<=", operator.ge),
        (operator.gt, ">", operator.lt),
        (operator.ge, ">=", operator.le),
    ],
    ids=["lt", "le", "gt", "ge"],
)
def test_a_comparison_is_kept_with_the_value_on_the_left(
    compare: Compare, sign: str, turned: Compare, value: float
) -> None:
    right = compare(value, 0.5)
    expected = [Comparison(HALF, value, sign, "yes" if right else "no")]
    assert kept(compare, value, HALF) == (right, expected)
    assert kept(turned, HALF, value) == (right, expected)


def test_of_two_thresholds_the_right_one_is_the_value() -> None:
    result, made = kept(operator.lt, HALF, TWO)
    assert result is True and made == [Comparison(HALF, 2, ">", "yes")]
    assert type(made[0].value) is int and made[0].threshold is HALF


def test_nothing_is_kept_outside_and_the_results_are_those_of_floats() -> None:
    with comparisons() as made:
        pass
    assert HALF > 0.3 and not HALF < 0.3 and HALF == 0.5 and HALF in {0.5} and HALF * 2 == 1.0
    assert made == [] and f"{HALF:.0%}" == "50%"


def test_an_inner_block_keeps_its_own() -> None:
    with comparisons() as outer:
        assert HALF > 0.1
        with comparisons() as inner:
            assert HALF > 0.2
        assert HALF > 0.3
    assert [c.value for c in outer] == [0.1, 0.3] and [c.value for c in inner] == [0.2]


def test_a_block_that_raises_keeps_no_longer() -> None:
    with pytest.raises(ValueError), comparisons() as made:
        raise ValueError
    assert HALF > 0.1 and made == []


def test_a_comparison_is_kept_once_and_equal_thresholds_are_two() -> None:
    t = Thresholds()
    with comparisons() as made:
        for _ in range(3):
            assert t.share < 0.3 and t.again < 0.3
    assert [c.threshold.name for c in made] == ["share", "again"]


def test_what_cannot_be_compared_raises_and_is_not_kept() -> None:
    with comparisons() as made, pytest.raises(TypeError):
        assert HALF > None  # type: ignore[operator]
    assert made == []


def test_a_threshold_knows_its_field_and_the_number_as_it_was_declared() -> None:
    assert [t.name for t in Thresholds().listed()] == ["share", "again"]
    assert TWO.name == "two" and type(TWO.number) is int and TWO.number == 2
    assert NoThresholds().listed() == []


@pytest.mark.parametrize(
    ("low", "high", "state"), [(0.12, 0.14, "yes"), (0.105, 0.12, "borderline"), (0.02, 0.05, "no")]
)
def test_an_interval_is_kept_with_its_ends(low: float, high: float, state: State) -> None:
    value = Interval((low + high) / 2, low, high, 90)
    with comparisons() as made:
        assert above(value, STARVED_SHARE) == state
        above(value, 0.1)
    assert made == [Comparison(STARVED_SHARE, value.median, ">", state, low, high)]
