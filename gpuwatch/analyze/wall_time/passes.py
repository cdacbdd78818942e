"""How often a loader was gone over, also where one iterator serves all passes because it has no end (Ultralytics, timm)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from gpuwatch.analyze.numbers.statistics import Array
from gpuwatch.analyze.wall_time.phases import NOBODY, Indices, Walk

# What a pass does after its last batch is not this much more than after any other one of its batches.
_USUAL = 2.0
_FEWEST = 3


def count_passes(walk: Walk, positions: Collection[int]) -> int:
    """Return the passes over a loader: by its iterators, by its length, and by how often training came between."""
    by_length = sum(_passes_of(walk, position) for position in positions if len(walk.of(position)))
    return max(by_length, _visits(walk, positions))


def _passes_of(walk: Walk, position: int) -> int:
    """Return the passes of one iterator: more than one where it gave more batches than its dataset has."""
    recorded = walk.trainer.iterators[position].attributes
    length, size = recorded.get("length"), recorded.get("batch_size")
    if not length or not size:
        return 1
    per_pass: int = length // size if recorded.get("drop_last") else -(-length // size)
    return max(round(len(walk.of(position)) / max(per_pass, 1)), 1)


def _visits(walk: Walk, positions: Collection[int]) -> int:
    """Return how many runs of batches the loader gave with batches of a training loader before and after."""
    mine = np.isin(walk.iterator, list(positions))
    chosen = (mine | np.isin(walk.iterator, list(walk.training))) & (walk.fields["end"] == 0)
    order = mine[chosen]
    return int(np.count_nonzero(order[1:] & ~order[:-1]) + order[0]) if len(order) else 0


def after_evaluation(walk: Walk, roles: Mapping[int, str]) -> Array:
    """Return per event the part (ns) of the gap before it that came after an evaluation, not after one of its batches: an
    iterator that has no end is left without a word, and whatever follows seems to be its loop's."""
    left = np.zeros(len(walk))
    net = walk.gap - walk.making
    for position in (
        position for position, role in roles.items() if role == "evaluation" and _is_left_open(walk, position)
    ):
        last, others = _last_of_visits(walk, position)
        if len(last) and len(others) >= _FEWEST:
            left[last] = np.maximum(net[last] - _USUAL * float(np.median(net[others])), 0.0)
    return left


def _is_left_open(walk: Walk, position: int) -> bool:
    events = walk.events_of(position)
    return len(events) > 0 and bool(walk.fields["end"][events[-1]] == 0)


def _last_of_visits(walk: Walk, position: int) -> tuple[Indices, Indices]:
    """Return the gaps of an iterator's loop before another's batch, and all others of its loop."""
    mine = np.flatnonzero((walk.owner == position) & (np.arange(len(walk)) > 0))
    handed = walk.fields["end"][mine - 1] == 0
    elsewhere = (walk.iterator[mine] != position) & (walk.iterator[mine] != NOBODY)
    return mine[handed & elsewhere], mine[~elsewhere]
