"""Which operators the host runs in the forward, the backward and the optimizer of traced steps: each one's own time.

An event belongs to what its outermost known ancestor says: torch annotates the optimizer's step and the loader's request, and
autograd wraps each function of the backward. What else the steps' own thread runs is the forward.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np

from gpuwatch.analyze.gpu_time.intervals import distinct
from gpuwatch.model.trace import Events, Floats, Trace
from gpuwatch.model.traced_windows import OperatorTime, TracedPart
from gpuwatch.words import gpu_trace as words

Part = Literal["input", "forward", "backward", "optimizer"]
PARTS: tuple[Part, ...] = get_args(Part)
_BACKWARD = re.compile(r"^autograd::engine::evaluate_function")
_OPTIMIZER = re.compile(r"^Optimizer\.(?:step|zero_grad)#")
_SHOWN = 8
_MOST_EVENTS = 1_000_000
# A part with less of the operators' time is none of the step's.
_SMALLEST = 0.001


def traced_parts(trace: Trace) -> tuple[TracedPart, ...]:
    """Return the parts of the traced steps with their operators; empty without steps."""
    host = trace.host
    steps = (host.kind == words.ANNOTATION) & _named(trace, words.STEP)[host.name]
    if not steps.any() or len(host) > _MOST_EVENTS:
        return ()
    start, end, count = float(host.start[steps].min()), float(host.end[steps].max()), int(steps.sum())
    main = int(host.thread[steps][0])
    spent: dict[Part, dict[int, list[float]]] = {part: defaultdict(lambda: [0.0, 0.0]) for part in PARTS}
    chosen = np.isin(host.kind, (words.OPERATOR, words.ANNOTATION)) & ~steps & (host.start >= start) & (host.end <= end)
    for thread in distinct(host.thread[chosen]).tolist():
        events = host.take(chosen & (host.thread == thread))
        for part, name, own in _own_times(trace, events, "forward" if thread == main else None):
            sums = spent[part][name]
            sums[0] += own
            sums[1] += 1
    whole = sum(own for sums in spent.values() for own, _ in sums.values())
    found = (_part(trace, part, sums, count) for part, sums in spent.items())
    return tuple(part for part in found if part.ms * 1e3 * count > _SMALLEST * whole)


def _part(trace: Trace, part: Part, sums: dict[int, list[float]], steps: int) -> TracedPart:
    whole = sum(own for own, _ in sums.values())
    costliest = sorted(sums, key=lambda name: -sums[name][0])[:_SHOWN]
    operators = tuple(
        OperatorTime(
            trace.names[name], sums[name][0] / 1e3 / steps, sums[name][0] / max(whole, 1e-9), sums[name][1] / steps
        )
        for name in costliest
    )
    return TracedPart(part, whole / 1e3 / steps, operators)


def _own_times(trace: Trace, events: Events, usual: Part | None) -> Iterator[tuple[Part, int, float]]:
    """Yield (part, name, own time) of one thread's operators; of events without a part nothing."""
    marks = _marks(trace)
    parts, own = _nested(events, [marks.get(name) for name in events.name.tolist()], usual)
    is_operator = (events.kind == words.OPERATOR).tolist()
    for part, name, time, counts in zip(parts, events.name.tolist(), own.tolist(), is_operator, strict=True):
        if counts and part is not None:
            yield part, name, time


def _nested(events: Events, said: list[Part | None], usual: Part | None) -> tuple[list[Part | None], Floats]:
    """Return each event's part, its own or that of what it is in, and its time without that of the events in it."""
    length = events.end - events.start
    order = np.lexsort((-length, events.start)).tolist()
    own, parts = length.copy(), list(said)
    starts, ends = events.start.tolist(), events.end.tolist()
    stack: list[int] = []
    for at in order:
        while stack and ends[stack[-1]] <= starts[at]:
            stack.pop()
        if stack:
            own[stack[-1]] -= length[at]
            parts[at] = parts[stack[-1]] or parts[at]
        parts[at] = parts[at] or (usual if not stack else None)
        stack.append(at)
    return parts, np.maximum(own, 0.0)


def _marks(trace: Trace) -> dict[int, Part]:
    patterns: tuple[tuple[Part, re.Pattern[str] | words.Folded], ...] = (
        ("optimizer", _OPTIMIZER),
        ("backward", _BACKWARD),
        ("input", words.LOADER),
    )
    found = {}
    for number, name in enumerate(trace.names):
        part = next((part for part, pattern in patterns if pattern.search(name)), None)
        if part is not None:
            found[number] = part
    return found


def _named(trace: Trace, pattern: re.Pattern[str]) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return np.array([bool(pattern.search(name)) for name in trace.names], bool)
