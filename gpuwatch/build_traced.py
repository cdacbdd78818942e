"""GPU traces → report. It imports nothing of what a run's events need: a trace is judged before that would be loaded."""

from __future__ import annotations

from collections.abc import Sequence

from gpuwatch.analyze.gpu_time.build import judge_traces
from gpuwatch.analyze.gpu_time.lanes import draw_traced
from gpuwatch.analyze.gpu_time.profile import traced_profile
from gpuwatch.judged_report import report_of
from gpuwatch.model.profile import Profile
from gpuwatch.model.report import Report
from gpuwatch.model.trace import Trace


def build_traced(traces: Sequence[Trace], with_timeline: bool = True) -> Report:
    """Analyse GPU traces that somebody recorded. Raises GpuwatchError where none of them has a device at work."""
    judged = judge_traces(traces)
    profile = traced_profile(traces, judged)
    return report_of(profile, draw_traced(judged) if with_timeline else None)


def profile_of_traces(traces: Sequence[Trace]) -> Profile:
    """Return the profile that the rules look at where there are only GPU traces."""
    return traced_profile(traces, judge_traces(traces))
