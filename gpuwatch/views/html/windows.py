"""Where on the timeline a finding shows: which lanes to look at, and in which stretches of time."""

from __future__ import annotations

import numpy as np

from gpuwatch.model.findings import Finding
from gpuwatch.model.report import Report
from gpuwatch.records import dataclass
from gpuwatch.views.html.decimate import line_buckets
from gpuwatch.views.html.lanes import Family, Lanes
from gpuwatch.words.lanes import EVALUATION, INPUT_WAIT, STEP

GRID = 600
MOST_WINDOWS = 60
NOTICEABLE = 0.1
# Windows that cover nearly everything point at nothing: then only what stands out from the rest is marked.
NEARLY_ALL, STANDS_OUT = 0.8, 1.3


@dataclass(frozen=True)
class Shown:
    """The families that carry a finding's evidence, and the windows to mark; none where all of the run is alike."""

    families: tuple[str, ...]
    windows: tuple[tuple[float, float], ...]


def shown(finding: Finding, report: Report, lanes: Lanes) -> Shown:
    """Return what to mark on the timeline for a finding."""
    families = tuple(family.name for family in lanes.families if family.of.key in finding.traits.lanes)
    return Shown(families, tuple(_windows(finding, report, lanes))[:MOST_WINDOWS])


def _windows(finding: Finding, report: Report, lanes: Lanes) -> list[tuple[float, float]]:
    match finding.traits.windows:
        case "long steps":
            return _long_steps(finding, report)
        case "startup":
            firsts = [rank.first_batch_s for rank in report.ranks if rank.first_batch_s]
            return [(0.0, max(firsts))] if firsts else []
        case "evaluation":
            return [(mark.start_s, mark.end_s) for mark in lanes.marks if mark.of == EVALUATION]
        case "waiting":
            return _waiting(lanes)
    return []


def _long_steps(finding: Finding, report: Report) -> list[tuple[float, float]]:
    ranks = [rank for rank in report.ranks if rank.long_steps and finding.rank in (None, rank.rank)]
    start = report.run.started_ns
    return [((t0 - start) / 1e9, (t1 - start) / 1e9) for rank in ranks[:1] for t0, t1 in rank.long_steps.spans]  # type: ignore[union-attr]


def _waiting(lanes: Lanes) -> list[tuple[float, float]]:
    """Return the stretches in which waiting was a noticeable part of the step."""
    wait, step = lanes.family(INPUT_WAIT), lanes.family(STEP)
    if wait is None or wait.kind != "line":
        return []
    waited = _typical(wait, lanes.seconds)
    if step is not None and step.kind == "line":
        starved = waited > NOTICEABLE * _typical(step, lanes.seconds)
    else:
        starved = waited > NOTICEABLE if wait.unit in ("share", "%") else waited > np.nanmedian(waited) / 2
    known = starved[np.isfinite(waited)]
    if len(known) and known.mean() > NEARLY_ALL:
        starved = waited > STANDS_OUT * np.nanmedian(waited)
        if starved.mean() < 0.01 or np.count_nonzero(np.diff(starved)) > 2 * MOST_WINDOWS:
            return []
    return _stretches(starved, np.isfinite(waited), lanes.seconds)


def _typical(family: Family, seconds: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    worst = family.members[0]
    assert worst.times is not None and worst.values is not None
    return line_buckets(worst.times, worst.values, seconds, GRID).mid


def _stretches(flags: np.ndarray, known: np.ndarray, seconds: float) -> list[tuple[float, float]]:
    """Return runs of true flags as times; a bucket without data continues what came before it."""
    carried = np.where(known, np.arange(len(flags)), 0)
    filled = flags[np.maximum.accumulate(carried)]
    edges = np.diff(np.concatenate(([0], filled.astype(int), [0])))
    width = seconds / len(flags)
    pairs = list(zip(np.flatnonzero(edges == 1) * width, np.flatnonzero(edges == -1) * width, strict=True))
    longest = sorted(pairs, key=lambda pair: pair[0] - pair[1])[:MOST_WINDOWS]
    return sorted((float(start), float(end)) for start, end in longest)
