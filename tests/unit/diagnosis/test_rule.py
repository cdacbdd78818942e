"""A rule: its needs in their order, what its check found as a finding, and how it came to it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest

from gpuwatch.diagnosis.examples.parts import make_profile, make_run
from gpuwatch.diagnosis.rule import NOT_SO, Found, Group, Missing, Need, Rule, members
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Clear, Evidence, Finding, NotEvaluated, Traits
from gpuwatch.model.profile import Profile
from gpuwatch.views.json import dumps, plain

PROFILE = make_profile()
PAGE = """It is slow.

What it means
    One
    paragraph.

    Another.

What to do
    Nothing.
"""


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    seconds: Threshold = Threshold(5, "s", "A reason.")
    share: Threshold = Threshold(0.5, "share", "A reason.")


def need(value: object, what: str = "a number") -> Need:
    return Need(what, lambda profile: value)


def found(**changes: Any) -> Found:
    settings: dict[str, Any] = {"severity": "warning", "confidence": "high", "summary": "it is", "advice": "Stop."}
    return Found(**({"evidence": (Evidence("x", 6.0, "s"),)} | settings | changes))


def rule(*needs: Need, outcome: object = None, **changes: Any) -> Rule:
    return Rule(id="some-rule", page=PAGE, check=lambda profile, t, *values: outcome, needs=needs, **changes)


def finding(outcome: Found, **changes: Any) -> Finding:
    made = rule(outcome=outcome, **changes).evaluate(PROFILE, {Group.BATCH_COST: ("x-y", "y-z")})
    assert isinstance(made, Finding)
    return made


def test_the_first_missing_need_is_what_is_missing_and_no_later_one_is_read() -> None:
    def fail(profile: Profile) -> None:
        raise AssertionError

    trace = rule(need(1), need(Missing("the clock")), Need("a later one", fail), outcome=found()).trace(PROFILE)
    assert trace.outcome == NotEvaluated("some-rule", "the clock")
    assert [value for _, value in trace.needs] == [1, Missing("the clock")]


def test_the_first_need_that_is_not_so_makes_it_clear() -> None:
    made = rule(need(1), need(NOT_SO), need(Missing("x")), outcome=found())
    assert made.evaluate(PROFILE) == Clear("some-rule")


def test_the_check_gets_the_values_of_the_needs_and_may_say_what_is_missing() -> None:
    seen: list[object] = []

    def check(profile: Profile, t: Thresholds, *values: object) -> Missing:
        seen.extend((profile, t, *values))
        return Missing("more of it")

    thresholds = Thresholds()
    made = Rule("some-rule", PAGE, check, needs=(need(0), need("b")), thresholds=thresholds)
    assert made.evaluate(PROFILE) == NotEvaluated("some-rule", "more of it")
    assert seen == [PROFILE, thresholds, 0, "b"]


def test_what_is_missing_keeps_its_form() -> None:
    missing = Missing("no loader was seen", "clause")
    expected = NotEvaluated("some-rule", "no loader was seen", "clause")
    assert rule(need(missing)).evaluate(PROFILE) == rule(outcome=missing).evaluate(PROFILE) == expected


def test_a_trace_has_the_numbers_that_needs_and_check_compared() -> None:
    t = Thresholds()

    def check(profile: Profile, t: Thresholds, seconds: float) -> Found | None:
        return None if seconds < t.seconds else found()

    need = Need("some seconds", lambda profile: 6.0 if profile.seconds > t.share else NOT_SO)
    trace = Rule("some-rule", PAGE, check, needs=(need,), thresholds=t).trace(PROFILE)
    assert isinstance(trace.outcome, Finding)
    assert [(c.threshold.name, c.value, c.sign, c.holds) for c in trace.comparisons] == [
        ("share", 20.0, ">", "yes"),
        ("seconds", 6.0, "<", "no"),
    ]


def test_a_finding_has_plain_numbers_also_as_json() -> None:
    evidence = (Evidence("wait", 6.0, "s", Thresholds().seconds), Evidence("share", 0.7, "", Thresholds().share))
    made = finding(found(evidence=evidence))
    assert [type(e.threshold) for e in made.evidence] == [int, float]
    assert [e["threshold"] for e in json.loads(dumps(plain(made)))["evidence"]] == [5, 0.5]


def test_verify_is_a_call_on_the_runs_own_command() -> None:
    profile = replace(PROFILE, run=make_run(command=("python", "my train.py")))
    made = rule(outcome=found(verify="try --loader")).evaluate(profile)
    assert isinstance(made, Finding) and made.verify == "gpuwatch try --loader -- python 'my train.py'"
    assert finding(found()).verify is None


def test_it_hides_all_that_it_may_unless_it_says_which() -> None:
    hides = ("a-b", Group.BATCH_COST)
    assert finding(found(), hides=hides).explains == ("a-b", "x-y", "y-z")
    assert finding(found(hides=("a-b",)), hides=hides).explains == ("a-b",)
    assert finding(found(hides=()), hides=hides).explains == ()


def test_the_members_of_a_group_are_the_rules_that_say_so() -> None:
    inside = replace(rule(group=Group.BATCH_COST), id="inside")
    assert members((rule(), inside)) == {Group.BATCH_COST: ("inside",)}


@pytest.mark.parametrize(
    ("changes", "bound"),
    [
        ({}, "host"),
        ({"decides": False}, None),
        ({"severity": "info"}, None),
        ({"confidence": "low"}, None),
        ({"confidence": "borderline"}, None),
    ],
)
def test_only_a_strong_finding_says_what_bounds_the_run(changes: dict[str, Any], bound: str | None) -> None:
    assert finding(found(**changes), traits=Traits(bound="host")).traits.bound == bound


def test_the_page_is_its_title_and_its_sections() -> None:
    made = rule()
    assert made.title == "It is slow."
    assert made.sections() == {"What it means": "One\nparagraph.\n\nAnother.", "What to do": "Nothing."}
