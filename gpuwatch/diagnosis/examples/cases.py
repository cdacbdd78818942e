"""Cases of a rule: a profile, and what the rule says of it, to the number and the place."""

from __future__ import annotations

import json

from gpuwatch.model.findings import Clear, Confidence, Finding, NotEvaluated, Outcome, Severity
from gpuwatch.model.profile import Profile
from gpuwatch.records import dataclass


@dataclass(frozen=True)
class Case:
    """What a rule says of a profile. `what` is the finding's summary, or what is missing; None where it is clear."""

    profile: Profile
    outcome: type[Finding | Clear | NotEvaluated]
    what: str | None = None
    severity: Severity | None = None
    confidence: Confidence | None = None
    where: str | None = None
    speedup: float | None = None


def case_of(profile: Profile, outcome: Outcome) -> Case:
    """Return the case that an outcome is, to be compared with the one that was expected."""
    if isinstance(outcome, NotEvaluated):
        return unknown(profile, outcome.missing)
    if isinstance(outcome, Clear):
        return clear(profile)
    place = f"{outcome.where.file}:{outcome.where.line}" if outcome.where else None
    gain = outcome.speedup.predicted if outcome.speedup else None
    return fires(profile, outcome.severity, outcome.summary, confidence=outcome.confidence, where=place, speedup=gain)


def fires(
    profile: Profile,
    severity: Severity,
    what: str,
    *,
    confidence: Confidence = "high",
    where: str | None = None,
    speedup: float | None = None,
) -> Case:
    """Return a case in which the rule reports this: the summary to the letter, FILE:LINE, the predicted speed-up."""
    return Case(profile, Finding, what, severity, confidence, where, speedup)


def clear(profile: Profile) -> Case:
    """Return a case in which the rule has what it needs and finds nothing."""
    return Case(profile, Clear)


def unknown(profile: Profile, missing: str) -> Case:
    """Return a case in which the rule cannot say, and what it lacks."""
    return Case(profile, NotEvaluated, missing)


def literal(case: Case, profile: str = "PROFILE") -> str:
    """Return the call that makes a case, ready to paste; `profile` is the text to write for its profile."""
    if case.outcome is Clear:
        return f"clear({profile})"
    if case.outcome is NotEvaluated:
        return f"unknown({profile}, {_quoted(case.what)})"
    given = [profile, _quoted(case.severity), _quoted(case.what)]
    given += [f"confidence={_quoted(case.confidence)}"] if case.confidence != "high" else []
    given += [f"where={_quoted(case.where)}"] if case.where else []
    given += [f"speedup={case.speedup}"] if case.speedup is not None else []
    return "fires(\n" + "".join(f"    {argument},\n" for argument in given) + ")"


def _quoted(text: str | None) -> str:
    return json.dumps(text, ensure_ascii=False)
