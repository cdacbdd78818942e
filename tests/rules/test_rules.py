"""Every rule says what its cases say it says; every rule, page and finding is complete."""

from __future__ import annotations

from pathlib import Path

import pytest

import gpuwatch.rules as rules
from gpuwatch.diagnosis.examples.cases import Case
from gpuwatch.diagnosis.examples.complete import (
    case_problems,
    coverage_problems,
    page_problems,
    threshold_problems,
)
from gpuwatch.diagnosis.rule import Rule, members
from gpuwatch.model.findings import Finding
from gpuwatch.rules import RULES
from tests.rules.cases import CASES

by_id = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
by_case = pytest.mark.parametrize(
    ("rule", "case"),
    [pytest.param(rule, case, id=f"{rule.id}-{n}") for rule in RULES for n, case in enumerate(CASES[rule.id], 1)],
)


def test_a_rule_is_called_like_its_folder() -> None:
    folders = {path.parent.name.replace("_", "-") for path in Path(rules.__file__).parent.glob("*/rule.py")}
    assert folders == {rule.id for rule in RULES} == set(rules.ids())


@by_id
def test_the_page_is_complete(rule: Rule) -> None:
    assert page_problems(rule) == []


@by_id
def test_thresholds_give_unit_and_reason_and_are_compared(rule: Rule) -> None:
    assert threshold_problems(rule, CASES[rule.id]) == []


@by_id
def test_a_rule_has_cases_in_which_it_fires_and_is_clear(rule: Rule) -> None:
    assert coverage_problems(CASES[rule.id]) == []


@by_case
def test_says_what_is_right(rule: Rule, case: Case) -> None:
    assert "\n".join(case_problems(rule, case)) == ""


@by_id
def test_what_a_rule_hides_or_is_hidden_by_is_another_rule(rule: Rule) -> None:
    named = {one for one in rule.hides if isinstance(one, str)} | set(rule.traits.explained_by)
    assert named <= {other.id for other in RULES} - {rule.id}


@by_case
def test_a_finding_hides_only_what_its_rule_declares(rule: Rule, case: Case) -> None:
    groups = members(RULES)
    declared = {id for one in rule.hides for id in ([one] if isinstance(one, str) else groups[one])}
    outcome = rule.evaluate(case.profile, groups)
    assert outcome.id == rule.id and set(outcome.explains if isinstance(outcome, Finding) else ()) <= declared
