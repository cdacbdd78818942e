"""Figures have no exponent, nouns agree with their number, and a share says how fine it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuwatch.words.units import DASH, count, factor, figures, percent


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (count(1, "worker"), "1 worker"),
        (count(0, "worker"), "0 workers"),
        (count(1024, "step"), "1,024 steps"),
        (count(1, "batch", "batches"), "1 batch"),
        (count(2, "batch", "batches"), "2 batches"),
        (count(1.0, "core"), "1 core"),
        (count(1.004, "core", digits=2), "1 core"),
        (count(1.5, "core"), "1.5 cores"),
    ],
)
def test_a_noun_agrees_with_the_number_that_is_shown(shown: str, expected: str) -> None:
    assert shown == expected


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e18, max_value=1e18), st.integers(1, 6))
def test_figures_have_no_exponent(value: float, digits: int) -> None:
    shown = figures(value, digits)
    assert "e" not in shown
    assert float(shown.replace(",", "")) == pytest.approx(value, rel=0.5 * 10.0 ** (1 - digits), abs=1e-300)


def test_figures_may_be_ungrouped_and_shares_finer() -> None:
    assert (figures(12345.6, 4), figures(12345.6, 4, grouped=False)) == ("12,346", "12346")
    assert (percent(0.0004), percent(0.0004, 1), percent(0.333, 1)) == ("<1%", "0.0%", "33.3%")
    assert (factor(2.526), factor(2.526, 2), factor(None, 2)) == ("2.5×", "2.53×", DASH)
