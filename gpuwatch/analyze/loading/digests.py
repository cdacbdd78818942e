"""Whether workers handed over the same content, by the digests of some of their batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from gpuwatch.records import dataclass

# Digests by the batch's number in its worker's epoch: (whole, varied, integers and text, varied).
Batches = dict[int, tuple[Any, ...]]
# So many different batches, all of them equal, are no accident.
_ENOUGH = 2


@dataclass(frozen=True, slots=True)
class Content:
    """`compared` batches of pairs of workers; `same` of them equal; `workers` that handed over the same as another one, 0 for
    none; `differs`: whether content was found that is not the same; `by_labels`: what is equal is integers and text alone."""

    compared: int = 0
    same: int = 0
    workers: int = 0
    differs: bool = False
    by_labels: bool = False


def compare(epochs: Sequence[Mapping[int, Any]], by_labels: bool = False) -> Content:
    """Compare the workers of each epoch; content that is the same in all batches of a worker (zeros) says nothing.

    `by_labels`: where all of it differs, integers and text, which no augmentation changes, count as well."""
    workers = [{number: _batches(digests) for number, digests in epoch.items()} for epoch in epochs]
    whole = _best([_of_epoch(batches, 0) for batches in workers])
    if not by_labels or whole.workers or not whole.differs:
        return whole
    labels = _best([_of_epoch(batches, 2) for batches in workers])
    return replace(labels, by_labels=True) if labels.workers else whole


def _best(found: Sequence[Content]) -> Content:
    """Return what the epochs say together: the same only where none of them says otherwise."""
    differs = any(one.differs for one in found)
    most = max((one.workers for one in found), default=0)
    return Content(sum(one.compared for one in found), sum(one.same for one in found), 0 if differs else most, differs)


def _batches(digests: Any) -> Batches:
    rows = [row for row in digests or () if isinstance(row, list) and len(row) == 5]
    return {row[0]: tuple(row[1:]) for row in rows}


def _of_epoch(workers: Mapping[int, Batches], column: int) -> Content:
    alike: set[int] = set()
    compared = same = 0
    differs = False
    for one, other in combinations(sorted(workers), 2):
        both, equal = _of_pair(workers[one], workers[other], column)
        compared += both
        same += equal
        if equal >= _ENOUGH and equal == both:
            alike |= {one, other}
        differs |= 0 <= equal < both
    return Content(compared, same, len(alike), differs and not alike)


def _of_pair(one: Batches, other: Batches, column: int) -> tuple[int, int]:
    """Return how many batches of two workers tell something, and how many of these are equal."""
    both = [at for at in sorted(one.keys() & other.keys()) if one[at][column + 1] and other[at][column + 1]]
    if len({one[at][column] for at in both}) < _ENOUGH:
        return 0, 0
    return len(both), sum(one[at][column] == other[at][column] for at in both)
