"""What is missing or wrong in a rule and its cases, as lines that say it; the tests of gpuwatch's own rules are these.

The tests of a rule of another package are one line: `check(RULE, CASES)`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from gpuwatch.diagnosis.examples.cases import Case, case_of, literal
from gpuwatch.diagnosis.rule import Rule
from gpuwatch.diagnosis.thresholds import Comparison
from gpuwatch.model.findings import Clear, Finding
from gpuwatch.words.units import figures

ID = re.compile(r"[a-z]+(-[a-z]+)*")
HEADINGS = ["What it means", "How it is measured", "When it is wrong", "What to do"]
# The skeleton's texts have it; none may be left.
UNEDITED = "EDIT"


def check(rule: Rule, cases: Sequence[Case]) -> None:
    """Raise AssertionError with everything that is missing or wrong in a rule and its cases."""
    found = problems(rule, cases)
    assert not found, f"{rule.id}\n" + "\n".join(found)


def problems(rule: Rule, cases: Sequence[Case], profiles: Sequence[str] = ()) -> list[str]:
    """Return what is missing or wrong in a rule and its cases; `profiles`: the source of each case's profile."""
    texts = profiles or ["PROFILE"] * len(cases)
    named = [(f"case {number}", case, text) for number, (case, text) in enumerate(zip(cases, texts, strict=True), 1)]
    each = [line for name, case, text in named for line in case_problems(rule, case, name, text)]
    return [*page_problems(rule), *threshold_problems(rule, cases), *coverage_problems(cases), *each]


def page_problems(rule: Rule) -> list[str]:
    """Return what the id or the page lacks: a title, the four headings, a text under each."""
    found = [] if ID.fullmatch(rule.id) else [f"id: {rule.id!r} is not lower-case words with dashes"]
    if not rule.title.endswith("."):
        found.append("page: its first line is the title and ends with a full stop")
    sections = rule.sections()
    if list(sections) != HEADINGS:
        found.append(f"page: its headings are {', '.join(sections) or 'none'}, not {', '.join(HEADINGS)}")
    empty = [heading for heading, text in sections.items() if not text]
    unedited = [part for part, text in {"the title": rule.title, **sections}.items() if UNEDITED in text]
    return [
        *found,
        *(f"page: no text under {h}" for h in empty),
        *(f"page: {part} is to be edited" for part in unedited),
    ]


def threshold_problems(rule: Rule, cases: Sequence[Case]) -> list[str]:
    """Return the thresholds without a unit or a reason, and those that no case compares."""
    compared = {id(c.threshold) for case in cases for c in rule.trace(case.profile).comparisons}
    found = []
    for threshold in rule.thresholds.listed():
        if not threshold.unit or not threshold.why.endswith("."):
            found.append(f"threshold {threshold.name}: it needs a unit, and a reason that is a sentence")
        if UNEDITED in threshold.why:
            found.append(f"threshold {threshold.name}: its reason is to be edited")
        if id(threshold) not in compared:
            found.append(f"threshold {threshold.name}: no case compares a value with it")
    return found


def coverage_problems(cases: Sequence[Case]) -> list[str]:
    """Return which outcome has no case, of the two that each rule can have."""
    outcomes = {case.outcome for case in cases}
    return [
        f"cases: none in which the rule {what}"
        for outcome, what in ((Finding, "fires"), (Clear, "is clear"))
        if outcome not in outcomes
    ]


def case_problems(rule: Rule, case: Case, name: str = "case", profile: str = "PROFILE") -> list[str]:
    """Return in what a case is not so, with the case that would be, and the numbers that made it so."""
    trace = rule.trace(case.profile)
    actual = case_of(case.profile, trace.outcome)
    found = []
    if actual != case:
        compared = "".join(f"\n    {described(comparison)}" for comparison in trace.comparisons)
        found.append(
            f"{name}: the rule says {literal(actual, profile)}" + (f"\n  having compared{compared}" if compared else "")
        )
    if isinstance(trace.outcome, Finding):
        found += [f"{name}: {problem}" for problem in _finding_problems(trace.outcome)]
    return found


def described(comparison: Comparison) -> str:
    """Return a comparison as a line of text."""
    c = comparison
    return f"{c.threshold.name}: {figures(c.value, 4)} {c.sign} {figures(c.threshold.number)} {c.threshold.unit}: {c.holds}"


def _finding_problems(finding: Finding) -> list[str]:
    found = [f"its finding has no {part}" for part in ("evidence", "advice") if not getattr(finding, part)]
    found += [f"its {part} is to be edited" for part in ("summary", "advice") if UNEDITED in getattr(finding, part)]
    found += [
        f"the evidence {evidence.metric!r} is not a finite number"
        for evidence in finding.evidence
        if isinstance(evidence.value, float) and not math.isfinite(evidence.value)
    ]
    gain = finding.speedup
    # Only what advises nothing may say that it could lose.
    least = 0.0 if finding.severity == "info" else 0.9
    if gain is not None and not least <= gain.low <= gain.predicted <= gain.high:
        found.append(f"the speed-up is not low <= predicted <= high: {gain.low}, {gain.predicted}, {gain.high}")
    return found
