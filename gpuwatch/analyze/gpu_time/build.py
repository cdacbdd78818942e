"""A trace → what each of its devices did with its time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gpuwatch.analyze.gpu_time.calls import Calls, aligned, named, sort_calls
from gpuwatch.analyze.gpu_time.gains import gains_of
from gpuwatch.analyze.gpu_time.host import Host
from gpuwatch.analyze.gpu_time.intervals import Spans, distinct, holding
from gpuwatch.analyze.gpu_time.partition import DeviceTime, partition
from gpuwatch.analyze.gpu_time.places import has_stacks, places_of
from gpuwatch.analyze.gpu_time.steps import Steps, find_steps, loader_of, step_interval, step_shares, worst_step
from gpuwatch.analyze.numbers.statistics import median
from gpuwatch.model.gpu_time import Counts, GpuShares, GpuTime, TracedLoader, Unmeasured
from gpuwatch.model.trace import Trace
from gpuwatch.words import gpu_trace as words

# With more of the span, and of its idle time, that no recorded event explains, nothing can be said of the rest.
UNKNOWN_SHARE, UNKNOWN_OF_IDLE = 0.1, 0.5
# A class with less of the span needs no place.
SMALLEST_PLACED = 0.02
FIRST_IDLE = len(words.BUSY_CLASSES)


class Judged(NamedTuple):
    """One device of one trace: what it did, cut (`time`) and in figures (`said`)."""

    trace: Trace
    host: Host
    time: DeviceTime
    said: GpuTime


def judge_traces(traces: Sequence[Trace]) -> tuple[Judged, ...]:
    """Return each device of each trace that ran something for longer than an instant."""
    return tuple(judged for trace in traces for judged in _of_trace(trace))


def gpu_times(traces: Sequence[Trace]) -> tuple[GpuTime, ...]:
    """Return what each device of each trace did with its time."""
    return tuple(judged.said for judged in judge_traces(traces))


def _of_trace(trace: Trace) -> list[Judged]:
    calls = sort_calls(trace)
    trace = aligned(trace, calls)
    host = Host(trace, calls)
    steps = find_steps(trace, calls)
    loader = loader_of(trace, calls)
    found = []
    for device in distinct(trace.device.device).tolist():
        rows = trace.device.device == device
        if trace.device.end[rows].max() > trace.device.start[rows].min():
            time = partition(trace, calls, host, device)
            found.append(Judged(trace, host, time, _of_device(trace, calls, host, time, steps, loader)))
    return found


def _of_device(
    trace: Trace, calls: Calls, host: Host, time: DeviceTime, steps: Steps, loader: TracedLoader | None
) -> GpuTime:
    span = time.end - time.start
    shares = time.segments.shares() / span
    idle = float(shares[FIRST_IDLE:].sum())
    unknown = float(shares[-1])
    unmeasured = unknown >= max(UNKNOWN_SHARE, UNKNOWN_OF_IDLE * idle)
    return GpuTime(
        device=time.device,
        rank=trace.rank,
        span_ms=span / 1e3,
        steps=len(steps),
        idle_share=idle,
        shares=GpuShares(*map(float, shares)),
        name=trace.device_names.get(time.device) or next(iter(trace.device_names.values()), None),
        source=trace.source,
        steps_by=steps.by,
        step_ms=step_interval(steps),
        around_ms=_around_ms(time, steps),
        worst_step=worst_step(time, steps),
        loader=loader,
        unmeasured=_why(trace, calls) if unmeasured else None,
        counts=_counts(trace, calls, host, time, steps),
        gains=() if unmeasured else gains_of(trace, calls, host, time, steps, loader),
        places=places_of(trace, _idle_by_class(time)),
        has_stacks=has_stacks(trace),
        in_largest_step=_in_largest_step(time, steps),
    )


def _why(trace: Trace, calls: Calls) -> Unmeasured:
    if not calls.launched.any():
        return "host not recorded"
    copies = bool((trace.device.kind == words.COPY).any())
    return "work not recorded" if copies or not _has_copy_calls(trace) else "copies not recorded"


def _has_copy_calls(trace: Trace) -> bool:
    host = trace.host
    return bool(named(trace, host, words.COPY_CALL.pattern, among=host.kind == words.CALL).any())


def _around_ms(time: DeviceTime, steps: Steps) -> float | None:
    """Return what the annotated steps take outside of the device's span."""
    if not len(steps):
        return None
    before = max(time.start - float(steps.spans.start[0]), 0.0)
    after = max(float(steps.spans.end[-1]) - time.end, 0.0)
    return (before + after) / 1e3


def _idle_by_class(time: DeviceTime) -> dict[str, Spans]:
    """Return the idle time of each class that has more than a trace of it."""
    idle = {key: time.segments.of(code) for code, key in enumerate(words.CLASS_KEYS[:-1]) if code >= FIRST_IDLE}
    return {key: spans for key, spans in idle.items() if spans.length >= SMALLEST_PLACED * (time.end - time.start)}


def _in_largest_step(time: DeviceTime, steps: Steps) -> dict[str, float] | None:
    """Return of each class the part that the step with most of it has: an average hides one bad step."""
    if len(steps) < 2:
        return None
    spent = step_shares(time, steps)
    parts = spent.max(axis=0) / np.maximum(spent.sum(axis=0), 1e-9)
    return dict(zip(words.CLASS_KEYS, map(float, parts), strict=True))


def _counts(trace: Trace, calls: Calls, host: Host, time: DeviceTime, steps: Steps) -> Counts:
    events = trace.device.take(time.rows)
    kernels = events.kind == words.KERNEL
    copies = named(trace, events, words.TO_DEVICE, among=events.kind == words.COPY)
    to_device = named(trace, events, words.PAGEABLE, among=copies)
    in_step = holding(steps.spans, trace.host.start[calls.allocate]) if len(steps) else np.zeros(0)
    return Counts(
        activities=len(events),
        launches=int(calls.launched.sum()),
        kernel_us=median((events.end - events.start)[kernels]),
        syncs=int(calls.sync.sum()),
        reads=int(host.reads_back.sum()),
        pageable_copies=int(to_device.sum()),
        pageable_bytes=int(np.maximum(events.size[to_device], 0).sum()),
        allocations=int(calls.allocate.sum()),
        allocating_steps=len(distinct(in_step[in_step > 0])),
    )
