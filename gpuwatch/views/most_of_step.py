"""What takes most of a step, and what was looked at there: said where no rule found anything."""

from __future__ import annotations

from gpuwatch.model.hot_lines import HotLine
from gpuwatch.model.report import Report
from gpuwatch.views.text import clean, percent

_PHASES = ("forward", "backward", "optimizer", "other in-step")
_SMALLEST, _MOST_PHASES = 0.1, 2


def most_of_step(report: Report) -> str:
    """Return sentences on a run of which only the device's own work is known to bound it; empty for every other."""
    if report.findings or report.verdict.bound != "compute" or report.primary is None:
        return ""
    return f"No rule found work to save in the step either. {_dominates(report)}{_looked_at(report)}"


def _dominates(report: Report) -> str:
    inside = {phase.name: phase.seconds for phase in report.phases if phase.name in _PHASES}
    whole = sum(inside.values())
    largest = sorted(inside, key=lambda name: -inside[name])[:_MOST_PHASES]
    named = [
        f"{name} {percent(inside[name] / whole)}" for name in largest if whole and inside[name] >= _SMALLEST * whole
    ]
    return f"Of the time that it computes, {' and '.join(named)}{_at(report)}. " if named else ""


def _at(report: Report) -> str:
    line = max(filter(_is_of_step, report.hot_lines), key=lambda line: line.share, default=None)
    if line is None or not line.source:
        return ""
    called = f" (in {clean(str(line.callee))})" if line.callee else ""
    return f"; {percent(line.share)} at line {line.line}: {clean(line.source)}{called}"


def _is_of_step(line: HotLine) -> bool:
    return line.is_of_step and line.share >= _SMALLEST


def _looked_at(report: Report) -> str:
    return f"Looked at and clear: {', '.join(report.clear_of_step)}." if report.clear_of_step else ""
