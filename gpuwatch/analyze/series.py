"""Arrays of an analysis as the rows of a timeline: seconds since the run began, None where nothing was measured."""

from __future__ import annotations

import numpy as np

from gpuwatch.analyze.profile import Analysis
from gpuwatch.analyze.statistics import Array
from gpuwatch.model import Lane

Span = tuple[float, float, str]


def seconds(analysis: Analysis, times: Array) -> Array:
    """Return times (ns) as seconds since the run began."""
    return (times - analysis.processes.start_ns) / 1e9


def line(analysis: Analysis, name: str, group: str, unit: str, times: Array, values: Array) -> Lane:
    """Return a lane of values over time."""
    told: list[float | None] = values.tolist()
    if not np.isfinite(values).all():
        told = [None if value != value else value for value in told]
    return Lane(name, group, "line", unit, t_s=tuple(seconds(analysis, times).tolist()), values=tuple(told))


def spans(analysis: Analysis, starts: Array, ends: Array, label: str) -> list[Span]:
    """Return stretches of time of one label; one that ends before it begins is left out."""
    return [
        (a, b, label)
        for a, b in zip(seconds(analysis, starts).tolist(), seconds(analysis, ends).tolist(), strict=True)
        if b >= a
    ]
