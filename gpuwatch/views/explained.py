"""What gains have to do with each other: alternatives to a finding, which another one explains, and gains that overlap."""

from __future__ import annotations

import math

from gpuwatch.model.findings import Finding
from gpuwatch.model.report import Report
from gpuwatch.views import text
from gpuwatch.views.text import clean

SHOWN = 2


def also(report: Report) -> tuple[str, ...]:
    """Return a line for each explained finding with an edit and a gain of its own."""
    return tuple(_line(f, _causes(f, report)) for f in report.suppressed if _is_own(f, report))[:SHOWN]


def together(report: Report, shown: int) -> str:
    """Say that gains overlap, where the product of the first ones is more than an input that costs nothing would win."""
    most = report.verdict.speedup_if_input_free
    gains = [f.speedup.predicted for f in report.findings[:shown] if f.traits.about_input and f.speedup]
    if most is None or len(gains) < 2 or math.prod(gains) <= most.predicted:
        return ""
    return f"The gains overlap: changes to the input win {text.factor(most.predicted)} at most, all together."


def _is_own(finding: Finding, report: Report) -> bool:
    """Say whether a finding wins by another way than those that explain it.

    More workers only hide what a batch costs: making it cheaper is another way, and the only one where cores are few.
    What any other finding explains is its symptom, and goes away with it."""
    causes = _causes(finding, report)
    hidden = bool(causes) and all(cause.traits.workers == "more" for cause in causes)
    return hidden and finding.severity != "info" and bool(finding.edit) and bool(text.gain(finding.speedup))


def _causes(finding: Finding, report: Report) -> list[Finding]:
    return [f for f in report.findings if finding.id in f.explains or f.id in finding.traits.explained_by]


def _line(finding: Finding, causes: list[Finding]) -> str:
    gain, cause = text.gain(finding.speedup), causes[0].id
    return f"{clean(finding.summary)}. {clean(finding.advice)} {gain} by itself, not on top of {cause} ({finding.id})"
