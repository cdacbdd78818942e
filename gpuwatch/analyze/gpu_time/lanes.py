"""A traced device as lanes of the timeline: streams, gaps by class, the launch queue, the launching thread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gpuwatch.analyze.gpu_time import host as doing
from gpuwatch.analyze.gpu_time.build import FIRST_IDLE, Judged
from gpuwatch.analyze.gpu_time.intervals import Spans, union
from gpuwatch.model.timeline import Lane, Timeline
from gpuwatch.model.trace import Floats
from gpuwatch.words import lanes as kinds
from gpuwatch.words.gpu_trace import CLASS_KEYS

# A picture is a few thousand points wide: what is closer than this part of the whole is drawn as one.
_FINEST = 1 / 20_000
_MOST_STREAMS, _MOST_DEVICES = 12, 16
_LABELS = {
    doing.LAUNCHING: "launching",
    doing.PAGEABLE: "copying",
    doing.SYNC: "waiting for the GPU",
    doing.ALLOCATING: "allocating",
    doing.LOADING: "in the loader",
}


def draw_traced(judged: Sequence[Judged]) -> Timeline:
    """Return the lanes of the traced devices; times count from each trace's first event."""
    seconds = max((each.time.end for each in judged), default=0.0) / 1e6
    return Timeline(seconds, tuple(lane for each in judged[:_MOST_DEVICES] for lane in _lanes(each, seconds)))


def _lanes(judged: Judged, seconds: float) -> Iterator[Lane]:
    device, rank = judged.said.device, judged.said.rank
    finest = seconds * 1e6 * _FINEST
    events = judged.trace.device.take(judged.time.rows)
    streams, counts = np.unique(events.stream, return_counts=True)
    for stream in streams[np.argsort(-counts)][:_MOST_STREAMS].tolist():
        mine = events.stream == stream
        ran = _spans(_closed(union(events.start[mine], events.end[mine]), finest), "running")
        yield Lane(kinds.STREAM, spans=ran, rank=rank, device=device, worker=stream)
    for code, key in enumerate(CLASS_KEYS[FIRST_IDLE:], FIRST_IDLE):
        idle = judged.time.segments.of(code)
        if idle.length > 0:
            spans = _spans(_closed(idle, finest), "idle")
            yield Lane(kinds.LANES[f"idle_{key}"], spans=spans, rank=rank, device=device)
    yield _queue(judged, seconds)
    yield _host(judged, finest)


def _queue(judged: Judged, seconds: float) -> Lane:
    """Return how many activities were launched and not done, at the end of each of many short times."""
    trace, rows = judged.trace, judged.time.rows
    launcher = judged.host.calls.launcher[rows]
    known = launcher >= 0
    launched = np.sort(trace.host.start[launcher[known]])
    done = np.sort(trace.device.end[rows[known]])
    at: Floats = np.linspace(0.0, seconds * 1e6, 4000)
    depth = np.searchsorted(launched, at, side="right") - np.searchsorted(done, at, side="right")
    values = tuple(map(float, np.maximum(depth, 0)))
    return Lane(
        kinds.LAUNCH_QUEUE, tuple((at / 1e6).tolist()), values, rank=judged.said.rank, device=judged.said.device
    )


def _host(judged: Judged, finest: float) -> Lane:
    painted = judged.host.doing(judged.host.main_thread())
    spans: list[tuple[float, float, str]] = []
    for code, label in _LABELS.items():
        chosen = painted.codes == code
        done = union(painted.edges[:-1][chosen], painted.edges[1:][chosen])
        spans += _spans(_closed(done, finest), label)
    return Lane(kinds.HOST_THREAD, spans=tuple(sorted(spans)), rank=judged.said.rank)


def _closed(spans: Spans, finest: float) -> Spans:
    """Return spans with the gaps closed that a picture cannot show."""
    if not len(spans.start):
        return spans
    apart = np.concatenate(([True], spans.start[1:] - spans.end[:-1] > finest))
    last = np.concatenate((np.flatnonzero(apart)[1:] - 1, [len(spans.start) - 1]))
    return Spans(spans.start[apart], spans.end[last])


def _spans(spans: Spans, label: str) -> tuple[tuple[float, float, str], ...]:
    return tuple((start / 1e6, end / 1e6, label) for start, end in zip(spans.start, spans.end, strict=True))
