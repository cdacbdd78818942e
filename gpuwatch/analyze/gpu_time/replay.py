"""Replay a trace without something: how long host and device would take if its loader, or its waits, cost nothing.

The host goes through the same work in the same order; a launch reaches its stream when the host is there and the stream
is done with what was before it, or with what it had waited for; a call that waited for the device waits for the same
activity. So what was hidden behind something that goes shows up by itself, and nothing is won twice.
"""

from __future__ import annotations

import numpy as np

from gpuwatch.analyze.gpu_time.calls import Calls, Indices, Mask
from gpuwatch.analyze.gpu_time.host import Host
from gpuwatch.analyze.gpu_time.intervals import NOTHING, Spans, distinct, holding, union
from gpuwatch.analyze.gpu_time.partition import DeviceTime
from gpuwatch.model.trace import Floats, Trace
from gpuwatch.records import dataclass

# A launch that reaches its stream later than this, just when something else ends, had waited for that; microseconds.
_LATENCY_US, _JUST_US = 200.0, 50.0
_SHORTEST_US = 2.0
_RETURN_US = 10.0
# Enough to tell; a longer trace is judged by its middle.
MOST_ACTIVITIES = 200_000


@dataclass(frozen=True, slots=True)
class Without:
    """What a replay leaves out: `skipped` stretches of the host take `kept` of their time; `free` calls do not wait. The
    host takes `slower` times as long for the rest."""

    skipped: Spans = NOTHING
    kept: float = 0.0
    slower: float = 1.0
    free: frozenset[int] = frozenset()


class Replay:
    """The host and one device of a trace, ready to be run again; `recorded` seconds are what it took."""

    def __init__(self, trace: Trace, calls: Calls, host: Host, time: DeviceTime, begin: float) -> None:
        rows = _middle(time.rows)
        device, events = trace.device.take(rows), trace.host
        launcher = calls.launcher[rows]
        self.begin = begin
        launched = np.where(launcher >= 0, events.start[np.maximum(launcher, 0)] if len(events) else 0, device.start)
        launched = np.minimum(launched, device.start)
        order = np.lexsort((device.start, launched))
        if len(rows) < len(time.rows):
            self.begin = float(launched.min())
        self.recorded = float(device.end.max() - self.begin) / 1e6
        self._launch, self._start, self._end = launched[order], device.start[order], device.end[order]
        self._before = self._last_in_stream(np.searchsorted(distinct(device.stream), device.stream[order]))
        by_end = np.argsort(self._end, kind="stable")
        self._by_end, self._ends = by_end, self._end[by_end]
        self._after_host, self._after_stream, self._other, self._after_other = self._waits()
        self._blocking = np.flatnonzero(
            host.blocking() & (events.end >= self._launch[0]) & (events.start <= self._launch[-1])
        )
        self._call_start, self._call_end = events.start[self._blocking], events.end[self._blocking]

    def _last_in_stream(self, streams: Indices) -> Indices:
        """Return for each activity the one before it in its stream; -1 for the first."""
        before = np.full(len(streams), -1)
        order = np.argsort(streams, kind="stable")
        follows = streams[order][1:] == streams[order][:-1]
        before[order[1:][follows]] = order[:-1][follows]
        return before

    def _waits(self) -> tuple[Floats, Floats, Indices, Floats]:
        """Return how long each activity starts after its launch, after the one before it in its stream, which activity of
        another stream it had waited for (-1: none), and how long it starts after that."""
        late = self._start - self._launch
        earlier = np.where(self._before >= 0, self._end[self._before], -np.inf)
        at = np.searchsorted(self._ends, self._start, side="right") - 1
        other = np.where((late > _LATENCY_US) & (at >= 0), self._by_end[np.maximum(at, 0)], -1)
        since = np.where(other >= 0, self._start - self._end[other], np.inf)
        queued = self._start - earlier <= np.maximum(_SHORTEST_US, 0.05 * late)
        crossed = ~queued & (since <= _JUST_US)
        after_host = np.select([queued, crossed], [np.minimum(late, _RETURN_US), np.full(len(late), _RETURN_US)], late)
        after_stream = np.where(queued, self._start - earlier, _SHORTEST_US)
        return after_host, after_stream, np.where(crossed, other, -1), np.where(crossed, since, 0.0)

    def seconds(self, without: Without) -> float:
        """Return how long it takes, from the beginning to the last activity's end."""
        ends = self._run(without)
        return float(max(ends) - self.begin) / 1e6 if ends else 0.0

    def _run(self, without: Without) -> list[float]:
        clock, items, at = _Clock(self.begin, without.slower), self._host_items(without), 0
        ends: list[float] = self._end.tolist()
        columns = (self._launch, self._end - self._start, self._before, self._after_host, self._after_stream)
        rows = zip(*(column.tolist() for column in (*columns, self._other, self._after_other)), strict=True)
        for k, (launch, length, before, after_host, after_stream, other, after_other) in enumerate(rows):
            while at < len(items) and items[at][0] <= launch:
                self._pass(items[at], clock, ends)
                at += 1
            start = clock.at(launch) + after_host
            if before >= 0 and ends[before] + after_stream > start:
                start = ends[before] + after_stream
            if other >= 0 and ends[other] + after_other > start:
                start = ends[other] + after_other
            ends[k] = start + length
        return ends

    def _host_items(self, without: Without) -> list[tuple[float, float, float]]:
        """Return (end, start, activity waited for) of what moves the host's clock: -1 for no wait, -2 for what goes."""
        items: list[tuple[float, float, float]] = [
            (end, start, -2 - without.kept)
            for start, end in zip(*without.skipped, strict=True)
            if start >= self.begin - 1
        ]
        inside = holding(without.skipped, (self._call_start + self._call_end) / 2) >= 0
        waited = np.searchsorted(self._ends, self._call_end + 1.0, side="right") - 1
        for call, start, end, gone, last in zip(
            self._blocking.tolist(),
            self._call_start.tolist(),
            self._call_end.tolist(),
            inside.tolist(),
            waited.tolist(),
            strict=True,
        ):
            if gone:
                continue
            items.append((end, start, -1 if call in without.free or last < 0 else int(self._by_end[last])))
        return sorted(items)

    def _pass(self, item: tuple[float, float, float], clock: _Clock, new_end: list[float]) -> None:
        """Move the host's clock over an item."""
        end, start, what = item
        begun, takes = clock.at(start), min(end - start, _RETURN_US)
        if what <= -2:
            done = begun + (end - start) * -(what + 2)
        elif what == -1:
            done = begun + takes
        elif self._end[int(what)] <= start:  # it had not waited, and may have to now
            done = max(begun + end - start, new_end[int(what)])
        else:
            done = max(begun + takes, new_end[int(what)] + end - self._end[int(what)])
        clock.set(end, done)


class _Clock:
    """What the host's times have become: it runs `slower` from the last time on that is known."""

    def __init__(self, begin: float, slower: float) -> None:
        self._was = self._is = begin
        self._slower = slower

    def at(self, time: float) -> float:
        return self._is + (time - self._was) * (self._slower if time > self._was else 1.0)

    def set(self, was: float, now: float) -> None:
        self._was, self._is = was, now


def _middle(rows: Indices) -> Indices:
    over = max(len(rows) - MOST_ACTIVITIES, 0)
    return rows[over // 2 : len(rows) - (over - over // 2)]


def skipped(trace: Trace, mask: Mask) -> Spans:
    """Return the host's time in some of its calls."""
    return union(trace.host.start[mask], trace.host.end[mask])
