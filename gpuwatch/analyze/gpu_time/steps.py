"""The steps of a trace, by what marks them, and what a device did in each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gpuwatch.analyze.gpu_time.calls import Calls, named
from gpuwatch.analyze.gpu_time.intervals import Spans, distinct, union
from gpuwatch.analyze.gpu_time.partition import DeviceTime
from gpuwatch.analyze.numbers.statistics import mean_interval, middle
from gpuwatch.model.gpu_time import StepsBy, TracedLoader, TracedStep
from gpuwatch.model.measures import Interval
from gpuwatch.model.trace import Floats, Trace
from gpuwatch.words import gpu_trace as words

# Fewer marks than this are no steps, where they are not the profiler's own.
FEWEST = 3
# A request that takes so many times the median is a long one; waits come in a period when the long ones do.
_LONG, _PERIODIC, _MOST_WORKERS = 3.0, 0.8, 64


class Steps(NamedTuple):
    """The steps on the host's clock."""

    spans: Spans
    by: StepsBy

    def __len__(self) -> int:
        return len(self.spans.start)

    @property
    def lengths(self) -> Floats:
        return self.spans.end - self.spans.start


def find_steps(trace: Trace, calls: Calls) -> Steps:
    """Return the steps: the profiler's, else from one request of the loader, or optimizer step, to the next."""
    host = trace.host
    marks = np.isin(host.kind, (words.ANNOTATION, words.OPERATOR))
    profiler = named(trace, host, words.STEP, among=marks)
    if profiler.any():
        return Steps(union(host.start[profiler], host.end[profiler] - 1e-3), "profiler steps")
    last = max(float(trace.device.end.max(initial=0.0)), float(host.end.max(initial=0.0)))
    requests = requested(trace, calls)
    if len(requests.start) >= FEWEST:
        return Steps(Spans(requests.start, np.append(requests.start[1:], last)), "loader requests")
    optimizer = named(trace, host, words.OPTIMIZER, among=marks)
    ends = union(host.start[optimizer], host.end[optimizer]).end
    if len(ends) >= FEWEST:
        return Steps(Spans(ends[:-1], ends[1:]), "optimizer steps")
    return Steps(Spans(np.zeros(0), np.zeros(0)), "none")


def requested(trace: Trace, calls: Calls) -> Spans:
    """Return when the host was inside its loader: nested spans of one request count once."""
    return union(trace.host.start[calls.loader], trace.host.end[calls.loader])


def step_interval(steps: Steps) -> Interval | None:
    """Return the mean step in milliseconds."""
    return mean_interval(steps.lengths / 1e3) if len(steps) else None


def worst_step(time: DeviceTime, steps: Steps) -> TracedStep | None:
    """Return the step in which the device stood idle longest; None where there are no steps to compare."""
    if len(steps) < 2:
        return None
    shares = step_shares(time, steps)
    idle = shares[:, 3:].sum(axis=1)
    at = int(idle.argmax())
    lost = np.argmax(shares[at, 1:]) + 1
    whole = shares[at].sum()
    return TracedStep(
        number=at + 1,
        ms=float(steps.lengths[at] / 1e3),
        idle_share=float(idle[at] / whole) if whole > 0 else 0.0,
        worst=words.CLASS_KEYS[lost],
        worst_ms=float(shares[at, lost] / 1e3),
    )


def step_shares(time: DeviceTime, steps: Steps) -> Floats:
    """Return the time of each class in each step, as far as it lies within the device's span."""
    rows = np.zeros((len(steps), len(words.CLASSES)))
    for code in distinct(time.segments.codes):
        spent = np.where(time.segments.codes == code, time.segments.lengths, 0.0)
        grown = np.concatenate(([0.0], np.cumsum(spent)))
        edges = time.segments.edges
        rows[:, code] = np.interp(steps.spans.end, edges, grown) - np.interp(steps.spans.start, edges, grown)
    return rows


def loader_of(trace: Trace, calls: Calls) -> TracedLoader | None:
    """Return the loader's requests; None where the trace shows none."""
    spans = requested(trace, calls)
    if not len(spans.start):
        return None
    host = trace.host.take(calls.loader)
    single, several = (named(trace, host, each).any() for each in (words.IN_PROCESS_LOADER, words.WORKER_LOADER))
    waits = (spans.end - spans.start) / 1e3
    return TracedLoader(
        kind="workers" if several else "in process" if single else "unknown",
        requests=len(waits),
        seconds=float(waits.sum() / 1e3),
        mean_ms=float(waits.mean()),
        median_ms=middle(waits),
        longest_ms=float(waits.max()),
        period=_period(waits) if several else None,
    )


def _period(waits: Floats) -> int | None:
    """Return the number of requests from one long wait to the next, where most of them have the same."""
    long = np.flatnonzero(waits > max(_LONG * middle(waits), 1.0))
    apart = np.diff(long)
    if len(apart) < FEWEST:
        return None
    counts = np.bincount(apart)
    common = int(counts.argmax())
    fits = (apart % common == 0).mean() if common else 0.0
    return common if 2 <= common <= _MOST_WORKERS and fits >= _PERIODIC else None
