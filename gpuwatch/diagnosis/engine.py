"""Run every rule on a profile, then rank: causes before symptoms, larger sure gains first.

A rule never calls another. Which findings explain which others is said by the finding itself (`explains`); the
engine keeps the cause and puts what it explains under `suppressed`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from gpuwatch.diagnosis.rule import Members, Rule, members
from gpuwatch.diagnosis.verdict import give_verdict
from gpuwatch.model.findings import Clear, Confidence, Finding, NotEvaluated, Outcome, Severity, Verdict
from gpuwatch.model.profile import Profile

CONFIDENCE_WEIGHT: dict[Confidence, float] = {"high": 1.0, "medium": 0.8, "borderline": 0.5, "low": 0.4}
SEVERITY_ORDER: dict[Severity, int] = {"critical": 0, "warning": 1, "info": 2}
# Advice that would win less than this is none.
WORTH = 1.04
ORDER = ("first", "usual", "last")


class Judgement(NamedTuple):
    """What the rules say of one profile; `findings` in the order in which a person should take them."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    suppressed: tuple[Finding, ...]
    not_evaluated: tuple[NotEvaluated, ...]
    clear: tuple[str, ...]


def judge(profile: Profile, rules: Sequence[Rule]) -> Judgement:
    """Evaluate the rules and rank what they find."""
    groups = members(rules)
    outcomes = [_evaluate(rule, profile, groups) for rule in rules]
    found = [o for o in outcomes if isinstance(o, Finding)]
    kept, suppressed = suppress(found)
    ranked = tuple(sorted(kept, key=_rank))
    verdict = give_verdict(profile, list(ranked))
    return Judgement(
        verdict,
        ranked,
        tuple(sorted(suppressed, key=_rank)),
        tuple(o for o in outcomes if isinstance(o, NotEvaluated)),
        tuple(o.id for o in outcomes if isinstance(o, Clear)),
    )


def _evaluate(rule: Rule, profile: Profile, groups: Members) -> Outcome:
    """Run one rule; a rule that breaks on odd data is "not evaluated", never the end of a report."""
    try:
        outcome = rule.evaluate(profile, groups)
        return Clear(outcome.id) if isinstance(outcome, Finding) and wins_nothing(outcome) else outcome
    except Exception as error:
        return NotEvaluated(rule.id, f"the rule failed: {type(error).__name__}: {error}", "clause")


def wins_nothing(finding: Finding) -> bool:
    """Say whether a finding's own prediction is that its advice would not pay; facts (`info`) need not."""
    return finding.severity != "info" and finding.speedup is not None and finding.speedup.predicted < WORTH


def suppress(found: list[Finding]) -> tuple[list[Finding], list[Finding]]:
    """Split findings into causes and what they explain. A finding explained only by a weaker one stays."""
    explained = {
        symptom.id
        for cause in found
        for symptom in found
        if symptom.id in cause.explains and not _weaker(cause, symptom) and not _outdone(cause, symptom)
    }
    return [f for f in found if f.id not in explained], [f for f in found if f.id in explained]


def _outdone(cause: Finding, symptom: Finding) -> bool:
    """Say whether two findings explain each other and the symptom is the one to take first."""
    return cause is symptom or (cause.id in symptom.explains and _rank(symptom) < _rank(cause))


def _weaker(cause: Finding, symptom: Finding) -> bool:
    """Say whether a cause is too unsure to stand for the symptom."""
    return CONFIDENCE_WEIGHT[cause.confidence] < 0.8 <= CONFIDENCE_WEIGHT[symptom.confidence]


def gain(finding: Finding) -> float:
    """Return the share of the loop's time that a finding may be expected to win, weighted by how sure it is.

    Code made free is the most that can be had of it, a setting changed is what one gets: both ends of the interval count.
    """
    if finding.speedup is None or finding.speedup.predicted <= 1.0:
        return 0.0
    expected = math.sqrt(max(finding.speedup.low, 1.0) * finding.speedup.predicted)
    return (1.0 - 1.0 / expected) * CONFIDENCE_WEIGHT[finding.confidence]


def _rank(finding: Finding) -> tuple[int, int, float, str]:
    return ORDER.index(finding.traits.order), SEVERITY_ORDER[finding.severity], -gain(finding), finding.id
