"""Two runs: better and worse only when the intervals say so."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from gpuwatch.compare.two_runs import compare, difference, judge, ratio
from gpuwatch.diagnosis.examples.parts import (
    interval,
    make_loader,
    make_machine,
    make_operation,
    make_profile,
    make_run,
)
from gpuwatch.model.measures import Interval
from tests.builders import make_finding, make_report


def run_of(step: float, spread: float = 0.01, **changes: Any) -> Any:
    loader = make_loader(step_ms=interval(step, spread), wait_share=Interval(0.3, 0.29, 0.31, 100), **changes)
    return make_report(make_profile(loader), loaders=(loader,))


@pytest.mark.parametrize(
    ("b", "spread", "outcome"),
    [
        (8.0, 0.01, "better"),
        (12.0, 0.01, "worse"),
        (10.05, 0.005, "no difference"),
        (9.6, 0.05, "inconclusive"),
        (10.6, 0.05, "inconclusive"),
        (10.0, 0.2, "inconclusive"),
    ],
)
def test_the_step_time_decides(b: float, spread: float, outcome: str) -> None:
    found = compare(run_of(10.0, spread), run_of(b, spread))
    assert found.rows[0].outcome == outcome
    word = {"better": "faster", "worse": "slower"}.get(outcome, outcome)
    assert word in found.headline.lower()


def test_a_ratio_covers_what_resampling_gives() -> None:
    """The propagated interval against a simulation of two runs' means."""
    rng = random.Random(1)
    draws = sorted((20 + rng.gauss(0, 0.5)) / (10 + rng.gauss(0, 0.25)) for _ in range(4000))
    low, high = draws[100], draws[3900]
    found = ratio(Interval(10.0, 10 - 0.49, 10 + 0.49, 50), Interval(20.0, 20 - 0.98, 20 + 0.98, 80))
    assert found is not None and found.n == 50
    assert (found.low, found.high) == (pytest.approx(low, rel=0.02), pytest.approx(high, rel=0.02))


def test_a_ratio_to_nothing_is_none() -> None:
    assert ratio(Interval(0.0, 0.0, 0.0, 5), interval(3.0)) is None
    assert ratio(interval(3.0), Interval(1.0, 0.5, float("inf"), 5)) is None
    assert difference(Interval(float("nan"), 0, 0, 1), interval(1.0)) is None


def test_higher_is_better_for_rates() -> None:
    assert judge(Interval(1.3, 1.2, 1.4, 9), 1.0, lower_is_better=False) == "better"
    assert judge(Interval(0.7, 0.6, 0.8, 9), 1.0, lower_is_better=False) == "worse"
    assert judge(None, 1.0) == "not judged"


def test_a_machine_that_others_used_makes_small_changes_inconclusive() -> None:
    crowded = make_machine(other_cores=4.0, usable_cores=8.0)
    a, b = run_of(10.0), run_of(8.0)
    assert compare(a, b).rows[0].outcome == "better"
    found = compare(a, replace(b, machine=crowded))
    assert found.rows[0].outcome == "inconclusive"
    assert "50% of the cores" in found.caveats[0]
    assert compare(run_of(30.0), replace(b, machine=crowded)).rows[0].outcome == "better"


def test_few_steps_are_a_caveat() -> None:
    few = make_loader(step_ms=Interval(10.0, 9.9, 10.1, 12))
    short = make_report(make_profile(few), loaders=(few,))
    assert any("12 steps" in caveat for caveat in compare(run_of(10.0), short).caveats)
    assert compare(run_of(10.0), run_of(10.0)).caveats == ()


def test_what_was_set_up_differently_is_listed_before_any_number() -> None:
    a, b = run_of(10.0, workers=2), run_of(6.0, workers=4, batch_size=64)
    assert {row[0]: row[1:] for row in compare(a, b).setup} == {"workers": ("2", "4"), "batch size": ("32", "64")}


def test_findings_that_went_and_came() -> None:
    a = make_report(findings=(make_finding("x"), make_finding("y")))
    b = make_report(findings=(make_finding("y"), make_finding("z")), run=make_run(id="b"))
    found = compare(a, b)
    assert (found.findings_gone, found.findings_both, found.findings_new) == (("x",), ("y",), ("z",))


def test_phases_and_operations_are_shown_but_not_judged() -> None:
    a, b = run_of(10.0, operations=(make_operation("Old"),)), run_of(10.0, operations=(make_operation("New"),))
    found = compare(a, b)
    assert {(row.name, row.a is None, row.b is None) for row in found.operations} == {
        ("Old (transform)", False, True),
        ("New (transform)", True, False),
    }
    assert {row.outcome for row in (*found.phases, *found.operations)} == {"not judged"}


def test_a_run_without_a_loader_is_inconclusive() -> None:
    empty = make_report(loaders=(), primary=None)
    assert compare(empty, run_of(10.0)).headline.startswith("Inconclusive")
