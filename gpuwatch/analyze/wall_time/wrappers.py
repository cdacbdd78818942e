"""Requests of a wrapper round a loader: what the loop waits for is the wrapper's, all else is known of the loader's.

A wrapper leaves only when it was asked and when it gave its batch. Its request takes the place of the loader's requests
that lie in it: it becomes the loader's, with the wrapper's beginning and end. `around_ns` is what of it was the wrapper's
own work.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpuwatch.analyze.numbers.statistics import Array
from gpuwatch.analyze.processes.sorting import Iterator

Indices = NDArray[np.intp]
# What an event tells of the batch that the loader gave last, and what is added up over all of its batches in a request.
_OF_LAST = ("index", "ready", "available", "late", "awaited")
_ADDED = ("gc_ns", "gc_n", "cpu_ns", "delay_ns", "hook_ns", "index_ns", "backward_n", "optimizer_n")


class Folded(NamedTuple):
    """Which events stay, and each loader's wrapper (positions of iterators)."""

    keep: NDArray[np.bool_]
    wrappers: dict[int, int]


def is_feed(iterator: Iterator) -> bool:
    """Say whether an iterator is none of torch's loaders but something else that gives batches."""
    return iterator.attributes.get("pipeline") is not None


def fold(iterators: list[Iterator], iterator: Indices, fields: dict[str, Array], parts: dict[str, Array]) -> Folded:
    """Put wrappers' requests in the place of their loaders' (in place); arrays are parallel, by when a request began."""
    fields["around_ns"] = np.full(len(iterator), np.nan)
    keep = np.ones(len(iterator), dtype=bool)
    feeds = np.array([is_feed(one) for one in iterators] + [False])
    outer = np.flatnonzero(feeds[iterator] & (fields["end"] != 3))
    inner = np.flatnonzero(~feeds[iterator] & (iterator >= 0) & (fields["end"] != 3))
    inner = inner[fields["t1"][inner] > fields["t0"][inner]]
    if not len(outer) or not len(inner):
        return Folded(keep, {})
    around = np.searchsorted(fields["t0"][outer], fields["t0"][inner], side="right") - 1
    inside = (around >= 0) & (fields["t1"][inner] <= fields["t1"][outer[np.maximum(around, 0)]])
    inner, at = inner[inside], around[inside]
    if not len(inner):
        return Folded(keep, {})
    mixed = _of_several(at, iterator[inner], len(outer))
    keep[outer[mixed]] = False
    inner, at = inner[~mixed[at]], at[~mixed[at]]
    keep[inner] = False
    wrappers = {int(iterator[i]): int(iterator[outer[o]]) for i, o in zip(inner[::-1], at[::-1], strict=True)}
    _take_over(iterator, fields, parts, outer, inner, at)
    return Folded(keep, wrappers)


def _of_several(at: Indices, iterator: Indices, count: int) -> NDArray[np.bool_]:
    """Say which requests lie round those of several loaders: these go on to speak for themselves."""
    pairs = np.unique(np.stack([at, iterator]), axis=1)
    several: NDArray[np.bool_] = np.bincount(pairs[0], minlength=count) > 1
    return several


def _take_over(
    iterator: Indices,
    fields: dict[str, Array],
    parts: dict[str, Array],
    outer: Indices,
    inner: Indices,
    at: Indices,
) -> None:
    first, last = np.unique(at, return_index=True)[1], len(at) - 1 - np.unique(at[::-1], return_index=True)[1]
    wrapping = outer[np.unique(at)]
    before = fields["t0"][inner[first]] - fields["t0"][wrapping]
    own = fields["t1"] - fields["t0"]
    spent = np.bincount(at, weights=own[inner], minlength=len(outer))[np.unique(at)]
    fields["around_ns"][wrapping] = np.maximum(own[wrapping] - spent, 0.0)
    for name in _OF_LAST:
        fields[name][wrapping] = fields[name][inner[last]]
    for values in (*(fields[name] for name in _ADDED), *parts.values()):
        values[wrapping] = _sums(values[inner], at)
    # What the wrapper did before it asked counted as the loop's own.
    parts["other"][wrapping] = np.maximum(parts["other"][wrapping] - before, 0.0)
    _name(iterator, outer, wrapping, iterator[inner[last]])
    fields["end"][wrapping] = 0


def _sums(values: Array, at: Indices) -> Array:
    """Add values up by their request; NaN where none of them is known."""
    known = np.isfinite(values)
    sums = np.bincount(at, weights=np.where(known, values, 0.0))
    count = np.bincount(at, weights=known)
    used = np.unique(at)
    result: Array = np.where(count[used] > 0, sums[used], np.nan)
    return result


def _name(iterator: Indices, outer: Indices, wrapping: Indices, loaders: Indices) -> None:
    """Make the requests those of the loader; of one that needed none (a buffer had the batch), of the last before it."""
    wrapper = iterator[wrapping].copy()
    for feed in np.unique(wrapper):
        mine = outer[iterator[outer] == feed]
        known = np.searchsorted(wrapping[wrapper == feed], mine, side="right") - 1
        iterator[mine[known >= 0]] = loaders[wrapper == feed][known[known >= 0]]
