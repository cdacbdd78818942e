"""What a budget holds, and which one would hold what is missing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from gpuwatch.experiments.session import Result
from gpuwatch.model.report import Report

# What a window takes when nothing is known: a start of workers, the warm-up, a second of steps.
UNKNOWN_WINDOW_S = 4.0
# A window's least steps, and the batches that are dropped before it beside two for each worker.
_STEPS, _WARM_UP = 6, 2
# Rounds take longer when a worker has to be started anew, and the machine is never quite the same again.
MARGIN = 1.15
_GRAIN_S = 10.0


def enough(seconds: float) -> str:
    """Return the `--budget` that holds so many seconds: rounded up to 10 s, in minutes from 5 min on."""
    rounded = math.ceil(seconds * MARGIN / _GRAIN_S) * _GRAIN_S
    return f"--budget {rounded:.0f}s" if rounded < 300 else f"--budget {math.ceil(rounded / 60)}m"


def written(seconds: float) -> str:
    """Return a time as a budget is written."""
    return f"{seconds / 60:.0f}m" if seconds >= 120 and seconds % 60 == 0 else f"{seconds:.0f}s"


def window_s(report: Report | None, seconds: float) -> float:
    """Return what a window with `seconds` of steps is expected to take in all, from a run's steps."""
    loader = report.primary_loader if report else None
    if loader is None or loader.step_ms is None:
        return UNKNOWN_WINDOW_S
    step_s = loader.step_ms.median / 1e3
    dropped = 2 * loader.workers + _WARM_UP
    return dropped * step_s + max(_STEPS * step_s, seconds)


def round_s(arms: Iterable[str], taken: Sequence[tuple[Result, float]], expected_s: float) -> float:
    """Return what a round over `arms` is expected to take: what their last windows took, or else the mean of all."""
    last = {result.arm: seconds for result, seconds in taken if result.kind == "real" and result.step_ms}
    usual = sum(last.values()) / len(last) if last else expected_s
    return sum(last.get(arm, usual) for arm in arms)
