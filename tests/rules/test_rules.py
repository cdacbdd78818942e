"""Every rule fires, stays clear and abstains where it must; every page and finding is complete."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import gpuwatch.rules as rules
from gpuwatch.model.findings import Clear, Finding, NotEvaluated
from gpuwatch.model.profile import Profile
from gpuwatch.rules import RULES, rule_id
from tests.rules.cases import CASES

HEADINGS = ("What it means", "How it is measured", "When it is wrong", "What to do")
BY_ID = {rule_id(rule): rule for rule in RULES}


def _rows(outcome: str) -> list[object]:
    return [
        pytest.param(id, profile, id=f"{id}-{i}")
        for id, c in CASES.items()
        for i, profile in enumerate(getattr(c, outcome))
    ]


def test_the_list_of_rules_is_the_folder() -> None:
    folders = {p.parent.name.replace("_", "-") for p in Path(rules.__file__).parent.glob("*/rule.py")}
    assert folders == {rule_id(rule) for rule in RULES} == {rule.ID for rule in RULES}


def test_every_rule_has_cases() -> None:
    assert set(CASES) == set(BY_ID)
    assert all(cases.fires and cases.clear for cases in CASES.values())


@pytest.mark.parametrize("rule", RULES, ids=rule_id)
def test_page_has_its_headings(rule: object) -> None:
    page = rule.__doc__ or ""
    positions = [page.find(f"\n{heading}\n") for heading in HEADINGS]
    assert all(p > 0 for p in positions) and positions == sorted(positions)


@pytest.mark.parametrize(("id", "profile"), _rows("fires"))
def test_fires(id: str, profile: Profile) -> None:
    outcome = BY_ID[id].check(profile)
    assert isinstance(outcome, Finding), outcome
    assert outcome.id == id and outcome.summary and outcome.advice and outcome.evidence
    assert all(e.value is None or not isinstance(e.value, float) or math.isfinite(e.value) for e in outcome.evidence)
    if outcome.speedup:
        assert 0.9 <= outcome.speedup.low <= outcome.speedup.predicted <= outcome.speedup.high


@pytest.mark.parametrize(("id", "profile"), _rows("clear"))
def test_stays_clear(id: str, profile: Profile) -> None:
    assert BY_ID[id].check(profile) == Clear(id)


@pytest.mark.parametrize(("id", "profile"), _rows("unknown"))
def test_abstains(id: str, profile: Profile) -> None:
    outcome = BY_ID[id].check(profile)
    assert isinstance(outcome, NotEvaluated) and outcome.missing
