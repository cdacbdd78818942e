"""A run as a trace: Chrome's JSON format, which Perfetto (ui.perfetto.dev) and chrome://tracing open.

Spans become slices on a track each, lines become counters, marks become instants; a lane's group is a "process".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from gpuwatch.model.report import Report
from gpuwatch.model.timeline import Lane
from gpuwatch.views.json import dumps, plain, started
from gpuwatch.views.text import clean
from gpuwatch.views.verdict_text import headline

Event = dict[str, Any]


def render(report: Report, recorded: Iterable[Event] = ()) -> str:
    """Return the trace as JSON text; times are microseconds since the run started. `recorded`: events of the run's own
    windows of torch.profiler, on the same clock."""
    return dumps(to_trace(report, recorded), indent=None)


def to_trace(report: Report, recorded: Iterable[Event] = ()) -> dict[str, Any]:
    """Return the trace: the phases of each rank as one row of totals, every lane of the timeline, what was recorded."""
    lanes = report.timeline.lanes if report.timeline else ()
    groups = {group: pid for pid, group in enumerate(dict.fromkeys(lane.group for lane in lanes), 1)}
    events: list[Event] = [_name("process_name", pid, 0, clean(group)) for group, pid in groups.items()]
    for tid, lane in enumerate(lanes, 1):
        events += _lane(lane, groups[lane.group], tid)
    events += _apart(recorded)
    return {"traceEvents": events, "displayTimeUnit": "ms", "otherData": _about(report)}


def _apart(recorded: Iterable[Event]) -> Iterator[Event]:
    """Return recorded events in processes of their own: a device's number is none of ours."""
    for event in recorded:
        yield {**event, "pid": f"torch.profiler {event.get('pid')}"}


def _about(report: Report) -> dict[str, Any]:
    return {
        "run": report.run.id,
        "command": list(report.run.command),
        "started": started(report.run).isoformat(),
        "verdict": headline(report.verdict),
        "phases": plain(report.phases),
        "gpuwatch": report.run.gpuwatch,
    }


def _lane(lane: Lane, pid: int, tid: int) -> Iterator[Event]:
    name = clean(lane.name)
    if lane.of.shape == "line":
        yield from _counter(lane, f"{name} ({lane.of.unit})" if lane.of.unit else name, pid)
        return
    yield _name("thread_name", pid, tid, name)
    yield {**_name("thread_sort_index", pid, tid, ""), "args": {"sort_index": tid}}
    for start, end, label in lane.spans:
        event = {"name": clean(label) or name, "pid": pid, "tid": tid, "ts": start * 1e6}
        yield event | (
            {"ph": "X", "dur": max(end - start, 0.0) * 1e6} if lane.of.shape == "spans" else {"ph": "i", "s": "t"}
        )


def _counter(lane: Lane, name: str, pid: int) -> Iterator[Event]:
    for at, value in zip(lane.t_s, lane.values, strict=False):
        if plain(value) is not None:
            yield {"name": name, "ph": "C", "pid": pid, "ts": at * 1e6, "args": {"value": value}}


def _name(kind: str, pid: int, tid: int, name: str) -> Event:
    return {"name": kind, "ph": "M", "pid": pid, "tid": tid, "args": {"name": name}}
