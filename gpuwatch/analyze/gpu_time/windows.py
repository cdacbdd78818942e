"""A run's own windows of torch.profiler, joined to what the hook knows of the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np

from gpuwatch.analyze.gpu_time.build import Judged, judge_traces
from gpuwatch.analyze.gpu_time.late_batches import clock_of, late_batches
from gpuwatch.analyze.gpu_time.operators import traced_parts
from gpuwatch.analyze.loops import Analysis
from gpuwatch.analyze.numbers.arrays import as_list
from gpuwatch.analyze.processes.sorting import Trainer
from gpuwatch.analyze.wall_time.traced import Window, rows_of, windows_of
from gpuwatch.model.profile import Profile
from gpuwatch.model.trace import Trace
from gpuwatch.model.traced_windows import NoWindow, TracedWindow, TracedWindows

_OWNERS = frozenset(("profiler", "injection", "daemon"))


def add_windows(profile: Profile, analysis: Analysis, traces: Mapping[str, Trace]) -> Profile:
    """Return a profile with the run's windows, and with what its devices did in them; as it is where none was asked for."""
    asked = profile.run.gpu_trace
    if asked is None:
        return profile
    found: list[TracedWindow] = []
    cost_s, usual = 0.0, _usual_ms(analysis)
    for this in analysis.walks:
        for window in windows_of(this.trainer):
            cost_s += _cost_s(window, usual.get(this.trainer.log.pid))
            trace = traces.get(str(window.row.get("file")))
            if window.is_closed and trace is not None:
                found.append(_window(analysis, this.trainer, window, trace, usual.get(this.trainer.log.pid)))
    missing, detail = _missing(analysis, found)
    windows = TracedWindows(asked, tuple(found), cost_s, missing, detail)
    # What a trace cannot tell of a device, the rest of the run may.
    told = tuple(time for window in found for time in window.devices if time.unmeasured is None)
    return replace(profile, traced=windows, gpu_time=told)


def _usual_ms(analysis: Analysis) -> dict[int, float]:
    """Return the mean step outside of windows by process: of the loop with most of its time."""
    found: dict[int, tuple[float, float]] = {}
    for loop in analysis.loops:
        pid, step = loop.loader.trainer.log.pid, loop.profile.step_ms
        if step is not None and loop.steps.seconds > found.get(pid, (0.0, 0.0))[0]:
            found[pid] = loop.steps.seconds, step.median
    return {pid: step_ms for pid, (_, step_ms) in found.items()}


def _steps_ms(window: Window) -> list[float]:
    marks = [mark for mark in as_list(window.row.get("marks")) if isinstance(mark, int)]
    return (np.diff(marks) / 1e6).tolist() if len(marks) > 1 else []


def _cost_s(window: Window, usual_ms: float | None) -> float:
    """Return what a window took: opening, closing, and by how much its steps were longer than the others."""
    steps = _steps_ms(window)
    longer = max(sum(steps) - len(steps) * usual_ms, 0.0) if usual_ms else 0.0
    return window.handling_ns / 1e9 + longer / 1e3


def _window(analysis: Analysis, trainer: Trainer, window: Window, trace: Trace, usual_ms: float | None) -> TracedWindow:
    row, start_ns = window.row, analysis.processes.start_ns
    steps = _steps_ms(window)
    judged = [_of_rank(each, trainer.rank, str(row["file"])) for each in judge_traces([trace])]
    clock = clock_of(trace, as_list(row.get("marks")))
    late = [late_batches(each, trainer, clock, start_ns) for each in judged] if clock is not None else []
    return TracedWindow(
        rank=trainer.rank,
        pid=trainer.log.pid,
        start_s=(window.start_ns - start_ns) / 1e9,
        seconds=(window.end_ns - window.start_ns) / 1e9,
        steps=len(steps),
        step_ms=float(np.mean(steps)) if steps else None,
        usual_ms=usual_ms,
        activities=tuple(str(name) for name in as_list(row.get("activities"))),
        ended_by=str(row.get("why")),
        file=str(row["file"]),
        parts=traced_parts(trace),
        devices=tuple(each.said for each in judged),
        late=tuple(batch for batches in late for batch in batches),
        lost=trace.lost,
        clock_us=None if clock is None else clock + (trainer.shift_ns - start_ns) / 1e3 - trace.begin_us,
    )


def _of_rank(judged: Judged, rank: int, file: str) -> Judged:
    return judged._replace(said=replace(judged.said, rank=rank, source=file))


def _missing(analysis: Analysis, found: list[TracedWindow]) -> tuple[NoWindow | None, str | None]:
    """Return why there is no window; after one, only what kept its trace from being written."""
    rows: list[dict[str, Any]] = [row for this in analysis.walks for row in rows_of(this.trainer)]
    for row in rows:
        if row.get("state") == "none" and not found and row.get("why") in _OWNERS:
            return cast(NoWindow, row["why"]), None
        if row.get("state") == "failed":
            return "failed", str(row.get("why"))
    opened = [window for this in analysis.walks for window in windows_of(this.trainer)]
    if any(window.row.get("state") == "open" for window in opened) and not analysis.processes.goes_on:
        return "killed", None
    if found or opened or analysis.processes.goes_on:
        return None, None
    return "ended before", None
