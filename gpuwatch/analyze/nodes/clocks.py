"""The clocks of several nodes: what to add to a node's times to have them on the first node's clock.

The hosts' wall clocks come first. A synchronised training then tells more: no rank leaves a step's exchange before the
others have entered it, and all leave it together.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gpuwatch.analyze.loops import Analysis, Loop
from gpuwatch.analyze.numbers.statistics import Array
from gpuwatch.model.job import ClockBy
from gpuwatch.records import dataclass

# Fewer steps in common are no measure, and so many are enough.
_FEWEST, _MOST = 5, 20_000
# Ranks that keep in step leave it within this part of a step of each other; those that do not drift apart.
_IN_STEP = 0.25
# Of the steps: in the others the one that left first was held up, or the other was.
_WITHIN = 0.9


@dataclass(frozen=True, slots=True)
class Clock:
    """`shift_ns`: what to add to a node's monotonic times; `refined_ns`: the part of it that its wall clock had wrong;
    `error_ns`: how far they may still be off, None where nothing tells."""

    shift_ns: float
    refined_ns: float
    error_ns: float | None
    by: ClockBy


class Exchanges(NamedTuple):
    """For each step of one rank: from when on it may have been in the step's last exchange, and when it had left it (ns)."""

    entered: Array
    left: Array


def clock_of(first: Analysis, other: Analysis) -> Clock:
    """Return the clock of a node by that of the first one."""
    one, two = first.processes.recording.run, other.processes.recording.run
    anchor = float((two.started_wall_ns - two.started_ns) - (one.started_wall_ns - one.started_ns))
    refined = _refine(exchanges(first.primary), exchanges(other.primary), anchor)
    if refined is None:
        return Clock(anchor, 0.0, None, "wall")
    shift, error = refined
    return Clock(shift, shift - anchor, error, "steps")


def exchanges(loop: Loop | None) -> Exchanges | None:
    """Return when a rank was in the last exchange of each step: after its forward pass, before its optimizer."""
    if loop is None or not len(loop.steps):
        return None
    walk, steps = loop.loader.walk, loop.steps
    order = np.argsort(steps.begin, kind="stable")
    event = steps.event[order]
    forward, optimizer = (_filled(walk.parts[name][event]) for name in ("forward", "optimizer"))
    begin, asked = steps.begin[order], (steps.end - steps.wait)[order]
    return Exchanges(np.minimum(begin + forward, asked), np.maximum(asked - optimizer, begin))


def _filled(values: Array) -> Array:
    """Return a part of the steps; where a step was only timed, the usual one."""
    known = values[np.isfinite(values)]
    return np.where(np.isfinite(values), values, float(np.median(known)) if len(known) else 0.0)


def _refine(first: Exchanges | None, other: Exchanges | None, anchor: float) -> tuple[float, float] | None:
    """Return the shift and its error; None where the two do not keep in step, or too few steps are there to tell."""
    if first is None or other is None:
        return None
    count = min(len(first.left), len(other.left), _MOST)
    if count < _FEWEST:
        return None
    apart = first.left[:count] - other.left[:count]
    step = float(np.median(np.diff(first.left[:count])))
    if float(np.median(np.abs(np.diff(apart)))) > _IN_STEP * step:
        return None
    middle = float(np.median(apart))
    low, high = _bounds(first, other, count)
    if low <= high:
        middle = min(max(middle, low), high)
    spread = float(np.quantile(np.abs(apart - middle), _WITHIN))
    return middle, min(spread, max(high - middle, middle - low)) if low <= high else spread


def _bounds(first: Exchanges, other: Exchanges, count: int) -> tuple[float, float]:
    """Return between which shifts no rank leaves an exchange before the other has entered it."""
    return (
        float(np.max(first.entered[:count] - other.left[:count])),
        float(np.min(first.left[:count] - other.entered[:count])),
    )
