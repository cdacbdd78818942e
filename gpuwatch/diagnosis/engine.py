"""Run every rule on a profile, then rank: causes before symptoms, larger sure gains first.

A rule never calls another. Which findings explain which others is said by the finding itself (`explains`); the
engine keeps the cause and puts what it explains under `suppressed`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gpuwatch.diagnosis.consistency import agree, lifted, settle
from gpuwatch.diagnosis.evaluation import judge_evaluation
from gpuwatch.diagnosis.rule import Members, Rule, Trace, members
from gpuwatch.diagnosis.thresholds import Threshold, comparisons
from gpuwatch.diagnosis.verdict import give_verdict
from gpuwatch.model.findings import Clear, Confidence, Finding, NotEvaluated, Severity, Verdict
from gpuwatch.model.profile import Profile

CONFIDENCE_WEIGHT: dict[Confidence, float] = {"high": 1.0, "medium": 0.8, "borderline": 0.5, "low": 0.4}
SEVERITY_ORDER: dict[Severity, int] = {"critical": 0, "warning": 1, "info": 2}
WORTH = Threshold(1.04, "times", "Advice that would win less is not worth following.", "worth")
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
    outcomes = [evaluate(rule, profile, groups).outcome for rule in rules]
    found = [o for o in outcomes if isinstance(o, Finding)]
    found += judge_evaluation(profile, lambda other: _causes(other, rules, groups), found)
    kept, suppressed = suppress(found)
    settled, dropped = settle(sorted(kept, key=_rank))
    verdict = lifted(give_verdict(profile, list(settled)), settled)
    return Judgement(
        verdict,
        tuple(sorted(agree(verdict, settled), key=_rank)),
        tuple(sorted(agree(verdict, suppressed), key=_rank)),
        (*(o for o in outcomes if isinstance(o, NotEvaluated)), *dropped),
        tuple(o.id for o in outcomes if isinstance(o, Clear)),
    )


def _causes(profile: Profile, rules: Sequence[Rule], groups: Members) -> list[Finding]:
    """Return what the rules find in a profile, without what is explained, in the order in which to take it."""
    outcomes = [evaluate(rule, profile, groups).outcome for rule in rules]
    kept, _ = suppress([outcome for outcome in outcomes if isinstance(outcome, Finding)])
    return sorted(kept, key=_rank)


def evaluate(rule: Rule, profile: Profile, groups: Members) -> Trace:
    """Run one rule; a rule that breaks on odd data is "not evaluated", never the end of a report."""
    try:
        trace = rule.trace(profile, groups)
        return trace if not isinstance(trace.outcome, Finding) else _worth_reporting(trace, trace.outcome)
    except Exception as error:
        return Trace((), (), NotEvaluated(rule.id, f"the rule failed: {type(error).__name__}: {error}", "clause"))


def _worth_reporting(trace: Trace, finding: Finding) -> Trace:
    """Return the trace of a finding, clear if its advice would win nothing."""
    with comparisons() as kept:
        nothing = wins_nothing(finding)
    return trace._replace(
        comparisons=(*trace.comparisons, *kept), outcome=Clear(finding.id) if nothing else trace.outcome
    )


def wins_nothing(finding: Finding) -> bool:
    """Say whether a finding's own prediction is that its advice would not pay; facts (`info`) need not."""
    return finding.severity != "info" and finding.speedup is not None and finding.speedup.predicted < WORTH


def suppress(found: list[Finding]) -> tuple[list[Finding], list[Finding]]:
    """Split findings into causes and what they explain. A finding explained only by a weaker one stays."""
    hidden = [f for f in found if hidden_by(f, found)]
    return [f for f in found if f not in hidden], hidden


def hidden_by(symptom: Finding, found: Iterable[Finding]) -> tuple[str, ...]:
    """Return the ids of the findings that explain another one well enough to hide it."""
    return tuple(
        cause.id
        for cause in found
        if _explains(cause, symptom) and not _weaker(cause, symptom) and not _outdone(cause, symptom)
    )


def _explains(cause: Finding, symptom: Finding) -> bool:
    """Say whether one of two findings declares that the first explains the second."""
    return symptom.id in cause.explains or cause.id in symptom.traits.explained_by


def _outdone(cause: Finding, symptom: Finding) -> bool:
    """Say whether two findings explain each other and the symptom is the one to take first."""
    return cause is symptom or (_explains(symptom, cause) and _rank(symptom) < _rank(cause))


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


def _rank(finding: Finding) -> tuple[int, int, float, int, str]:
    return (
        ORDER.index(finding.traits.order),
        _weight(finding),
        -gain(finding),
        SEVERITY_ORDER[finding.severity],
        finding.id,
    )


def _weight(finding: Finding) -> int:
    """Return 0 for what is critical and has no gain to go by, 2 for facts; between them the gain decides."""
    if finding.severity == "info":
        return 2
    return 0 if finding.severity == "critical" and finding.speedup is None else 1
