"""Every rule says what its cases say it says; every rule, page and finding is complete."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import gpuwatch.rules as rules
from gpuwatch.diagnosis.examples.cases import Case, case_of
from gpuwatch.diagnosis.rule import Rule, members
from gpuwatch.model.findings import Clear, Finding, NotEvaluated
from gpuwatch.rules import RULES
from tests.rules.cases import CASES

HEADINGS = ["What it means", "How it is measured", "When it is wrong", "What to do"]
by_id = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)


def test_a_rule_is_called_like_its_folder() -> None:
    folders = {path.parent.name.replace("_", "-") for path in Path(rules.__file__).parent.glob("*/rule.py")}
    assert folders == {rule.id for rule in RULES} == set(rules.ids())


@by_id
def test_a_rule_has_cases_in_which_it_fires_and_is_clear(rule: Rule) -> None:
    assert {Finding, Clear} <= {case.outcome for case in CASES[rule.id]} <= {Finding, Clear, NotEvaluated}


@pytest.mark.parametrize(
    ("rule", "case"),
    [pytest.param(rule, case, id=f"{rule.id}-{n}") for rule in RULES for n, case in enumerate(CASES[rule.id])],
)
def test_says_what_is_right(rule: Rule, case: Case) -> None:
    outcome = rule.evaluate(case.profile, members(RULES))
    assert case_of(case.profile, outcome) == case
    if isinstance(outcome, Finding):
        assert outcome.id == rule.id and outcome.advice and outcome.evidence
        assert all(not isinstance(e.value, float) or math.isfinite(e.value) for e in outcome.evidence)
        assert not outcome.speedup or 0.9 <= outcome.speedup.low <= outcome.speedup.predicted <= outcome.speedup.high


@by_id
def test_the_page_has_its_headings(rule: Rule) -> None:
    assert rule.title.endswith(".") and list(rule.sections()) == HEADINGS


@by_id
def test_thresholds_give_their_unit_and_reason(rule: Rule) -> None:
    for threshold in rule.thresholds.listed():
        assert threshold.unit and threshold.why.endswith((".", "!")), threshold.name


@by_id
def test_what_a_rule_hides_exists_and_is_another_rule(rule: Rule) -> None:
    hidden = {one for one in rule.hides if isinstance(one, str)}
    assert hidden <= {other.id for other in RULES} - {rule.id}


@pytest.mark.parametrize(
    ("rule", "case"),
    [
        pytest.param(rule, c, id=f"{rule.id}-{n}")
        for rule in RULES
        for n, c in enumerate(CASES[rule.id])
        if c.outcome is Finding
    ],
)
def test_a_finding_hides_only_what_its_rule_declares(rule: Rule, case: Case) -> None:
    groups = members(RULES)
    declared = {id for one in rule.hides for id in ([one] if isinstance(one, str) else groups[one])}
    outcome = rule.evaluate(case.profile, groups)
    assert isinstance(outcome, Finding) and set(outcome.explains) <= declared
