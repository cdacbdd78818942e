"""What each event of a trace is, by its name: found once for each name, not once for each event."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuwatch.analyze.gpu_time.intervals import distinct, holding, union
from gpuwatch.analyze.numbers.statistics import percentiles
from gpuwatch.model.trace import Trace
from gpuwatch.records import dataclass
from gpuwatch.words import gpu_trace as words

# Single launches that a recorder joined to the wrong activity say nothing of a clock.
EARLIEST_PERCENTILE = 1.0
Mask = NDArray[np.bool_]
Indices = NDArray[Any]


def named(trace: Trace, rows: Any, *patterns: re.Pattern[str] | words.Folded, among: Mask | None = None) -> Mask:
    """Say of each event, or of those among some, whether its name has one of the patterns in it. (Most of a trace's texts are
    stacks, which are long and no event's name: they are not searched.)"""
    searched = rows.name if among is None else rows.name[among]
    used = np.bincount(searched, minlength=len(trace.names)) > 0
    known = np.zeros(len(used), bool)
    for number in np.flatnonzero(used).tolist():
        known[number] = any(pattern.search(trace.names[number]) for pattern in patterns)
    found: Mask = known[rows.name]
    return found if among is None else found & among


@dataclass(frozen=True, slots=True)
class Calls:
    """What the host's events are, and which of them launched each activity of the devices (-1: not recorded).

    `missing`: launches whose activities the trace does not hold; those of a graph that is captured have none."""

    launch: Mask
    graph: Mask
    sync: Mask
    allocate: Mask
    copy: Mask
    loader: Mask
    work: Mask
    launcher: Indices
    launched: Mask
    missing: Mask


def sort_calls(trace: Trace) -> Calls:
    """Return what the host's events are."""
    host = trace.host
    is_call = host.kind == words.CALL
    left, kinds = is_call.copy(), {}
    for kind in words.CALL_KINDS:
        kinds[kind.name] = named(trace, host, kind.pattern, among=left)
        left &= ~kinds[kind.name]
    launcher = _launchers(trace)
    # A driver's call inside a runtime's has the same number: both have launched.
    ran = trace.device.correlation
    launched = is_call & (_joined(host.correlation, ran, np.arange(len(ran))) >= 0)
    launched[launcher[launcher >= 0]] = True
    spans = np.isin(host.kind, (words.OPERATOR, words.ANNOTATION, words.PYTHON))
    return Calls(
        launch=kinds["launch"],
        graph=kinds["graph launch"],
        sync=kinds["sync"],
        allocate=kinds["allocator"],
        copy=kinds["copy"],
        loader=named(trace, host, words.LOADER, among=spans),
        work=is_call | (host.kind == words.OPERATOR),
        launcher=launcher,
        launched=launched,
        missing=(kinds["launch"] | kinds["graph launch"]) & ~launched & ~_captured(trace),
    )


def aligned(trace: Trace, calls: Calls) -> Trace:
    """Return the trace with the clock of a device that ran ahead set back: nothing starts before it is launched."""
    device = trace.device
    known = calls.launcher >= 0
    late = np.zeros(len(device))
    for number in distinct(device.device[known]):
        mine = known & (device.device == number)
        (first,) = percentiles(device.start[mine] - trace.host.start[calls.launcher[mine]], EARLIEST_PERCENTILE)
        late[device.device == number] = max(-first, 0.0)
    if not late.any():
        return trace
    return replace(trace, device=replace(device, start=device.start + late, end=device.end + late))


def _captured(trace: Trace) -> Mask:
    """Say which events lie within the capture of a graph."""
    host = trace.host
    is_call = host.kind == words.CALL
    begins = np.sort(host.start[named(trace, host, words.BEGIN_CAPTURE.pattern, among=is_call)])
    if not len(begins):
        return np.zeros(len(host), bool)
    ends = np.sort(host.end[named(trace, host, words.END_CAPTURE.pattern, among=is_call)])
    at = np.searchsorted(ends, begins)
    closing = np.where(at < len(ends), ends[np.minimum(at, len(ends) - 1)] if len(ends) else np.inf, np.inf)
    return holding(union(begins, closing), host.start) >= 0


def _launchers(trace: Trace) -> Indices:
    """Return for each activity the call with its correlation, else the operator with its external id."""
    host, device = trace.host, trace.device
    calls = np.flatnonzero((host.kind == words.CALL) & (host.correlation >= 0))
    found = _joined(device.correlation, host.correlation[calls], calls)
    operators = np.flatnonzero((host.kind == words.OPERATOR) & (host.external > 0))
    return np.where(found >= 0, found, _joined(device.external, host.external[operators], operators))


def _joined(wanted: Indices, keys: Indices, rows: Indices) -> Indices:
    if not len(keys):
        return np.full(len(wanted), -1)
    order = np.argsort(keys, kind="stable")
    keys, rows = keys[order], rows[order]
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where((wanted >= 0) & (keys[at] == wanted), rows[at], -1)
