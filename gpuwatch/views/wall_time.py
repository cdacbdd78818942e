"""Where the wall time of a run went: the phases of its ranks, and the time before and after them, which is the launcher's."""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.model.measures import Phase
from gpuwatch.model.report import Report

LAUNCHER = "launcher"
# Less than this, of the run and in seconds, is starting the command itself.
SMALLEST_SHARE, SMALLEST_S = 0.02, 1.0


def of_run(report: Report) -> tuple[Phase, ...]:
    """Return the mean rank's phases, and as one more row what the run took before the ranks began and after they ended.

    Of several trainings in one run the rest is the other trainings': then it is the phases alone."""
    launcher = _launcher_s(report)
    if launcher < max(SMALLEST_SHARE * report.seconds, SMALLEST_S):
        return report.phases
    whole = sum(phase.seconds for phase in report.phases) + launcher
    rows = (Phase(LAUNCHER, launcher, 0.0), *report.phases)
    return tuple(replace(phase, share=phase.seconds / whole) for phase in rows)


def _launcher_s(report: Report) -> float:
    """Return the seconds of the run in which no rank lived; 0 where it is not known when they began."""
    begun = [rank.start_s for rank in report.ranks if rank.start_s is not None]
    if not report.phases or report.trainings or len(begun) < len(report.ranks):
        return 0.0
    ended = max(rank.start_s + rank.seconds for rank in report.ranks if rank.start_s is not None)
    return max(min(begun), 0.0) + max(report.seconds - ended, 0.0)
