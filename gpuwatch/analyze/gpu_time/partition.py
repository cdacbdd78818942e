"""The partition of a device's time: each moment from its first to its last activity is of one class.

A gap is placed by the activity that ends it: what its launching thread did until it launched it. Work that was launched
before the gap began and did not start is waiting for something on the device, or for something that was not recorded.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpuwatch.analyze.gpu_time import host as doing
from gpuwatch.analyze.gpu_time.calls import Calls, Mask, named
from gpuwatch.analyze.gpu_time.host import Host
from gpuwatch.analyze.gpu_time.intervals import Spans, distinct, gaps, holding, overlap, union
from gpuwatch.analyze.numbers.statistics import percentiles
from gpuwatch.model.trace import Events, Floats, Trace
from gpuwatch.records import dataclass
from gpuwatch.words import gpu_trace as words

(COMPUTE, COMMUNICATION, COPIES, INPUT, SYNC, PAGEABLE, LAUNCH, HOST_CODE, ALLOCATOR, DEPENDENCY, UNKNOWN) = range(11)
CODE = np.int8
# From one launch to the next, in microseconds: a host that takes longer is doing something else.
LAUNCHES_APART_US = 500.0
# A gap of queued work that is longer is no latency of the device's.
QUEUED_US = 1000.0
# A call that blocks longer than this after the device's last activity waits for something else; a thread that has lost its
# core meanwhile returns a few milliseconds late.
RETURNS_US = 10_000.0
_BY_DOING = np.array([HOST_CODE, HOST_CODE, LAUNCH, UNKNOWN, PAGEABLE, SYNC, ALLOCATOR, INPUT], CODE)


class Segments(NamedTuple):
    """A device's time, cut: between two edges it is of one class."""

    edges: Floats
    codes: NDArray[np.int8]

    @property
    def lengths(self) -> Floats:
        return np.diff(self.edges)

    def shares(self, start: float | None = None, end: float | None = None) -> Floats:
        """Return the time of each class, of all or between two times."""
        edges = self.edges if start is None or end is None else np.clip(self.edges, start, end)
        return np.bincount(self.codes, np.diff(edges), len(words.CLASSES)).astype(np.float64)

    def of(self, *codes: int) -> Spans:
        """Return the time of some classes."""
        chosen = np.isin(self.codes, codes)
        return union(self.edges[:-1][chosen], self.edges[1:][chosen])


@dataclass(frozen=True, slots=True)
class Gaps:
    """The gaps of a device. `ender` is the activity that ends each; `launch` the call that launched it, or -1; `begun` and
    `arrived`: when that call began, and when an idle device would have had the work; `suspect`: something ran in it that
    the trace does not hold."""

    spans: Spans
    ender: NDArray[np.int64]
    launch: NDArray[np.int64]
    begun: Floats
    arrived: Floats
    suspect: Mask


@dataclass(frozen=True, slots=True)
class DeviceTime:
    """One device of one trace, partitioned."""

    device: int
    rows: NDArray[np.int64]
    segments: Segments
    gaps: Gaps

    @property
    def start(self) -> float:
        return float(self.segments.edges[0])

    @property
    def end(self) -> float:
        return float(self.segments.edges[-1])


def partition(trace: Trace, calls: Calls, host: Host, device: int) -> DeviceTime:
    """Return the partition of one device's time, from its first activity to its last."""
    rows = np.flatnonzero(trace.device.device == device)
    events = trace.device.take(rows)
    busy, layers = union(events.start, events.end), _busy_layers(trace, events)
    idle = gaps(busy)
    found = _gaps(trace, calls, host, rows, events, idle)
    edges = [busy.start, busy.end, *(edge for spans in layers for edge in spans)]
    parts = [_idle_parts(trace, host, found, thread) for thread in _threads(trace, host, found)]
    edges += [part[0] for part in parts]
    cut = distinct(np.concatenate(edges))
    codes = _busy_codes(layers, (cut[:-1] + cut[1:]) / 2)
    for part_edges, part_codes in parts:
        at = np.searchsorted(cut, part_edges[:-1])
        inside = part_codes >= 0
        # Between two edges of a part there may be edges of other parts, in other gaps only: a gap belongs to one part.
        codes[at[inside]] = part_codes[inside]
    return DeviceTime(device, rows, Segments(cut, codes), found)


def _busy_layers(trace: Trace, events: Events) -> tuple[Spans, Spans, Spans]:
    """Return when copies, communication and compute ran."""
    exchanged = named(trace, events, words.COMMUNICATION, among=events.kind == words.KERNEL)
    ways = (words.TO_DEVICE, words.FROM_DEVICE, words.BETWEEN_DEVICES)
    moved = named(trace, events, *ways, among=events.kind == words.COPY)
    masks = (moved, exchanged, ~(moved | exchanged))
    copies, communication, compute = (union(events.start[mask], events.end[mask]) for mask in masks)
    return copies, communication, compute


def _busy_codes(layers: tuple[Spans, Spans, Spans], middles: Floats) -> NDArray[np.int8]:
    codes = np.full(len(middles), UNKNOWN, CODE)
    for code, spans in zip((COPIES, COMMUNICATION, COMPUTE), layers, strict=True):
        codes[holding(spans, middles) >= 0] = code
    return codes


def _gaps(trace: Trace, calls: Calls, host: Host, rows: NDArray[np.int64], events: Events, idle: Spans) -> Gaps:
    ender = rows[np.searchsorted(events.start, idle.end)]
    launch = calls.launcher[ender]
    begun, done = (np.where(launch >= 0, _at(times, launch), idle.end) for times in (trace.host.start, trace.host.end))
    arrived = np.clip(done + _latency(idle, begun), idle.start, idle.end)
    # A copy from pageable memory is staged by its call: until then nothing has arrived.
    arrived = np.where(_is(host.pageable, launch), np.clip(done, arrived, idle.end), arrived)
    ahead = rows[np.searchsorted(events.start, idle.end) - 1]
    launched = np.where(calls.launcher[ahead] >= 0, _at(trace.host.start, calls.launcher[ahead]), idle.start)
    return Gaps(idle, ender, launch, begun, arrived, _suspect(trace, calls, host, idle, launched, begun, arrived))


def _latency(idle: Spans, begun: Floats) -> float:
    """Return how long a launch takes to reach an idle device, in microseconds."""
    seen = (idle.end - begun)[(begun >= idle.start) & (begun < idle.end)]
    return min(max(percentiles(seen, 25)[0], 2.0), 50.0) if len(seen) else 10.0


def _suspect(
    trace: Trace, calls: Calls, host: Host, idle: Spans, launched: Floats, begun: Floats, arrived: Floats
) -> Mask:
    """Say which gaps are none: something ran in them that the trace does not hold.

    Either the host launched kernels or a graph in them whose activities are missing; or work was there that did not start
    while what had been launched before the recording may still have run, which ends with the first call that waits for
    the device."""
    lost = _misses_launches(trace, calls, idle, launched, begun)
    returns = trace.host.end[host.blocking()]
    settled = float(returns.min()) if len(returns) else np.inf
    waits = (idle.end - arrived > QUEUED_US) & (idle.start < settled)
    return lost | ((waits | _waits_for_nothing(trace, calls, idle)) & ~_elsewhere(trace, idle))


def _misses_launches(trace: Trace, calls: Calls, idle: Spans, launched: Floats, begun: Floats) -> Mask:
    """Say in which gaps, or before the work that ends them, the host launched what the trace does not hold."""
    missing = np.sort(trace.host.start[calls.missing])
    if not len(missing):
        return np.zeros(len(idle.start), bool)
    before = np.minimum(launched, idle.start)
    return np.searchsorted(missing, begun) > np.searchsorted(missing, before)


def _waits_for_nothing(trace: Trace, calls: Calls, idle: Spans) -> Mask:
    """Say in which gaps the host goes on waiting for a device that had nothing left, and had been given nothing."""
    events = trace.host
    waits = union(events.start[calls.sync], events.end[calls.sync])
    at = holding(waits, idle.start)
    returns = np.where(at >= 0, _at(waits.end, at), -np.inf)
    return (returns - idle.start > RETURNS_US) & (returns < idle.end)


def _elsewhere(trace: Trace, idle: Spans) -> Mask:
    """Say in which gaps another device of the process was at work."""
    devices = distinct(trace.device.device)
    if len(devices) < 2:
        return np.zeros(len(idle.start), bool)
    busy = union(trace.device.start, trace.device.end)
    return overlap(busy, idle.start, idle.end) > 0.5 * (idle.end - idle.start)


def _threads(trace: Trace, host: Host, found: Gaps) -> list[int]:
    return [int(thread) for thread in distinct(_thread_of(trace, host, found))]


def _thread_of(trace: Trace, host: Host, found: Gaps) -> NDArray[np.int64]:
    known = trace.host.thread[np.maximum(found.launch, 0)] if len(trace.host) else np.zeros(len(found.launch), np.int64)
    return np.where(found.launch >= 0, known, host.main_thread())


def _idle_parts(trace: Trace, host: Host, found: Gaps, thread: int) -> tuple[Floats, NDArray[np.int8]]:
    """Return the gaps that one thread's launches ended, cut and classed; -1 between them."""
    mine = np.flatnonzero(_thread_of(trace, host, found) == thread)
    spans = Spans(found.spans.start[mine], found.spans.end[mine])
    begun, arrived = found.begun[mine], found.arrived[mine]
    painted = host.doing(thread)
    inside = holding(spans, painted.edges) >= 0
    reached = np.clip(begun, spans.start, spans.end)
    edges = distinct(np.concatenate([spans.start, spans.end, reached, arrived, painted.edges[inside]]))
    middles = (edges[:-1] + edges[1:]) / 2
    gap = holding(spans, middles)
    during = painted.at(middles)
    # Of work whose launch was not recorded nobody knows which thread was late.
    otherwise = np.where(found.launch[mine] >= 0, _otherwise(trace, host, spans, begun), UNKNOWN)[gap]
    by_host = np.where(during >= doing.UNRECORDED, _BY_DOING[during], otherwise)
    by_launch = np.where(_is(host.pageable, found.launch[mine]), PAGEABLE, LAUNCH)[gap]
    # Work that waits for long while the host waits too: they wait for each other.
    blocked = ((during == doing.SYNC) | (during == doing.PAGEABLE)) & (spans.end - arrived > QUEUED_US)[gap]
    waiting = np.where(blocked, _BY_DOING[during], DEPENDENCY)
    codes = np.select([middles < reached[gap], middles < arrived[gap]], [by_host, by_launch], waiting)
    codes = np.where(found.suspect[mine][gap], UNKNOWN, codes)
    return edges, np.where(gap >= 0, codes, -1).astype(CODE)


def _at(times: Floats, rows: NDArray[np.int64]) -> Floats:
    return times[np.maximum(rows, 0)] if len(times) else np.zeros(len(rows))


def _is(mask: Mask, rows: NDArray[np.int64]) -> Mask:
    return (rows >= 0) & (mask[np.maximum(rows, 0)] if len(mask) else False)


def _otherwise(trace: Trace, host: Host, spans: Spans, begun: Floats) -> NDArray[np.int8]:
    """Return for each gap what the host's time in it is that no call and no loader explains.

    Soon after a launch, or after a call that had let the device run dry, the host is launching; else it runs other code."""
    calls = host.calls
    events = trace.host
    launches = np.sort(events.end[calls.launched | calls.launch | calls.graph])
    before = _last_before(launches, begun)
    blocking = np.flatnonzero(host.blocking())
    order = blocking[np.argsort(events.end[blocking], kind="stable")]
    last = np.searchsorted(events.end[order], begun, side="right") - 1
    known = last >= 0
    call = order[np.maximum(last, 0)] if len(order) else np.zeros(len(begun), np.int64)
    drained = known & (_at(events.start, call) < spans.start) & (_at(events.end, call) >= spans.start - 1.0)
    soon = np.where(drained, begun - _at(events.end, call), begun - before) <= LAUNCHES_APART_US
    by_call = np.where(_is(host.pageable, call), PAGEABLE, SYNC)
    return np.where(soon, np.where(drained, by_call, LAUNCH), HOST_CODE).astype(CODE)


def _last_before(times: Floats, at: Floats) -> Floats:
    found = np.searchsorted(times, at, side="right") - 1
    return np.where(found >= 0, times[np.maximum(found, 0)] if len(times) else -np.inf, -np.inf)
