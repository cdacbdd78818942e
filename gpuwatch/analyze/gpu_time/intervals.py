"""Sets of intervals on the time axis, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpuwatch.model.trace import Floats


def distinct(values: NDArray[Any]) -> NDArray[Any]:
    """Return the sorted values, each once. (numpy's own `unique` imports a tenth of a second of masked arrays.)"""
    ordered = np.sort(values)
    if not len(ordered):
        return ordered
    return ordered[np.concatenate(([True], ordered[1:] != ordered[:-1]))]


class Spans(NamedTuple):
    """Disjoint intervals in ascending order."""

    start: Floats
    end: Floats

    @property
    def length(self) -> float:
        """The time that they cover."""
        return float((self.end - self.start).sum())


NOTHING = Spans(np.zeros(0), np.zeros(0))


def union(start: Floats, end: Floats) -> Spans:
    """Return the time that any of some intervals covers."""
    if not len(start):
        return NOTHING
    order = np.argsort(start, kind="stable")
    start, reach = start[order], np.maximum.accumulate(end[order])
    begins = np.concatenate(([True], start[1:] > reach[:-1]))
    last = np.concatenate((np.flatnonzero(begins)[1:] - 1, [len(start) - 1]))
    return Spans(start[begins], reach[last])


def holding(spans: Spans, at: Floats) -> NDArray[Any]:
    """Return for each time the number of the interval that holds it; -1 for none."""
    if not len(spans.start):
        return np.full(len(at), -1)
    found = np.searchsorted(spans.start, at, side="right") - 1
    return np.where((found >= 0) & (at < spans.end[np.maximum(found, 0)]), found, -1)


def until(spans: Spans, at: Floats) -> Floats:
    """Return for each time how much of the time before it the intervals cover."""
    if not len(spans.start):
        return np.zeros(len(at))
    edges = np.ravel(np.column_stack(spans))
    covered = np.concatenate(
        ([0.0], np.cumsum(np.ravel(np.column_stack((spans.end - spans.start, np.zeros(len(spans.start)))))))
    )
    return np.interp(at, edges, covered[: len(edges)])


def overlap(spans: Spans, start: Floats, end: Floats) -> Floats:
    """Return how much of each interval the spans cover."""
    return until(spans, end) - until(spans, start)


def gaps(spans: Spans) -> Spans:
    """Return the time between the spans."""
    return Spans(spans.end[:-1], spans.start[1:])


class Painted(NamedTuple):
    """A time axis cut at `edges`: between two of them there is one code."""

    edges: Floats
    codes: NDArray[np.int8]

    def at(self, times: Floats) -> NDArray[np.int8]:
        """Return the code at each time; 0 outside."""
        found = np.searchsorted(self.edges, times, side="right") - 1
        inside = (found >= 0) & (found < len(self.codes))
        return np.where(inside, self.codes[np.clip(found, 0, max(len(self.codes) - 1, 0))] if len(self.codes) else 0, 0)


def paint(layers: Sequence[tuple[int, Spans]]) -> Painted:
    """Return a time axis with one code at each time: that of the last layer that covers it, else 0."""
    edges = distinct(np.concatenate([np.zeros(0), *(edge for _, spans in layers for edge in spans)]))
    middles = (edges[:-1] + edges[1:]) / 2
    codes = np.zeros(len(middles), np.int8)
    for code, spans in layers:
        codes[holding(spans, middles) >= 0] = code
    return Painted(edges, codes)
