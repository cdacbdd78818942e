"""Figures have no exponent, nouns agree with their number, and a share says how fine it is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

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


ROOT = Path(__file__).parents[2] / "gpuwatch"
# For machines: a JSON number, the exposition format, an argument; differences of outputs may be tiny. The hook has no
# figures of this module.
MACHINES = {
    "views/html/fleet.py",
    "views/html/pack.py",
    "views/prometheus.py",
    "record.py",
    "experiments/trials.py",
    "hook/experiment/outputs.py",
}


def written(value: ast.FormattedValue) -> list[str]:
    """Return the constant parts of how a value is formatted."""
    parts = value.format_spec.values if isinstance(value.format_spec, ast.JoinedStr) else []
    return [str(part.value) for part in parts if isinstance(part, ast.Constant)]


def exponents(source: str) -> list[int]:
    """Return the lines that format a number so that it can come out as 1.03e+03."""
    specs = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FormattedValue)]
    return [node.lineno for node in specs if any(re.fullmatch(r"[^a-z]*[gGeE]", part) for part in written(node))]


def test_numbers_for_people_are_formatted_in_one_place() -> None:
    files = {path.relative_to(ROOT).as_posix(): path for path in sorted(ROOT.rglob("*.py"))}
    found = {name: lines for name, path in files.items() if (lines := exponents(path.read_text(encoding="utf-8")))}
    assert set(found) == MACHINES
    assert exponents('f"{x:.3g} ms {y:.2f} {z}"') == [1] and exponents('f"{y:.2f} {z}"') == []
