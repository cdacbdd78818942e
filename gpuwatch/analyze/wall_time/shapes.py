"""What shape the lengths of a loop's steps have over its run: steady, a slope, a slope in each epoch, or two levels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gpuwatch.analyze.numbers.statistics import Array
from gpuwatch.analyze.numbers.trends import Split, best_split, concordance, is_apart, line_error, theil_sen
from gpuwatch.analyze.wall_time.loaders import Loader
from gpuwatch.analyze.wall_time.phases import Indices
from gpuwatch.analyze.wall_time.steps import Steps
from gpuwatch.model.trend import Shape

# With fewer steps nothing is said of a run, or of an epoch.
FEWEST_STEPS = 48
_MOST_BLOCKS, _BLOCK_STEPS = 40, 6
# A trend: nearly all pairs of blocks agree on it, and the middle third of the run is well between the others.
_AGREE, _BETWEEN, _GREW = 0.6, (0.15, 0.85), 1.25
# ... fewer of the whole step agree where one part, which is most of the growth, has such a trend.
_AGREE_ALL, _MOST_OF = 0.35, 0.6
# A change: a level so much higher, so far outside of what either side spreads, that explains so much more than a line.
_CHANGED, _SPREADS, _BETTER = 1.3, 4.0, 0.6
_MARGIN = 0.1
_NAMES = {"forward": "forward", "backward": "backward", "optimizer": "optimizer", "other": "other in-step"}


class Ends(NamedTuple):
    """Which steps are compared: the first of a run (of its epochs), or those before a change, and the last."""

    first: Indices
    last: Indices


def block_lengths(steps: Steps, at: Indices) -> Array:
    """Return the length of a step (ms) in each block of the run."""
    count = max(min(len(at) // max(_BLOCK_STEPS, steps.group), _MOST_BLOCKS), 6)
    parts = np.array_split(at, count)
    return np.array([level_ms(steps, part) for part in parts])


def level_ms(steps: Steps, chosen: Indices) -> float:
    """Return how long a step of these takes (ms): the median of its computing, and the mean of its waits."""
    return float(np.median(steps.compute[chosen]) + steps.wait[chosen].mean()) / 1e6


def shape_of(loader: Loader, steps: Steps, at: Indices, blocks: Array) -> tuple[Shape, Ends, Split | None]:
    """Return the shape, which steps to compare for it, and where a loop changed (in blocks)."""
    third = len(at) // 3
    ends = Ends(at[:third], at[-third:])
    split = best_split(blocks, max(int(_MARGIN * len(blocks)), 2))
    if _has_changed(blocks, split):
        cut = int(split.at * len(at) / len(blocks))
        return "changed", Ends(at[:cut], at[cut:]), split
    if _grows(blocks) or _a_part_grows(loader, steps, at, blocks):
        return "growing", Ends(at[: max(third // 2, 4)], at[-max(third // 2, 4) :]), None
    epochs = _epochs(loader, steps, at)
    growing = [epoch for epoch in epochs if _grows(block_lengths(steps, epoch))]
    if len(epochs) >= 2 and len(growing) >= 0.75 * len(epochs):
        sixth = [max(len(epoch) // 6, 4) for epoch in epochs]
        first = np.concatenate([epoch[:n] for epoch, n in zip(epochs, sixth, strict=True)])
        last = np.concatenate([epoch[-n:] for epoch, n in zip(epochs, sixth, strict=True)])
        return "growing in each epoch", Ends(first, last), None
    return "steady", ends, None


def _has_changed(blocks: Array, split: Split) -> bool:
    low, high = sorted((split.before, split.after))
    better = split.error <= _BETTER * line_error(blocks, theil_sen(blocks).median)
    return high >= _CHANGED * low and better and is_apart(blocks, split, _SPREADS)


def _grows(blocks: Array, agree: float = _AGREE) -> bool:
    first, middle, last = _thirds(blocks)
    if last < _GREW * first or theil_sen(blocks).low <= 0 or concordance(blocks) < agree:
        return False
    return _BETWEEN[0] <= (middle - first) / (last - first) <= _BETWEEN[1]


def _thirds(blocks: Array) -> tuple[float, ...]:
    return tuple(float(np.median(part)) for part in np.array_split(blocks, 3))


def _a_part_grows(loader: Loader, steps: Steps, at: Indices, blocks: Array) -> bool:
    """Say whether one part grows for certain and is most of what the step grows by: other parts may hide a slope."""
    if not _grows(blocks, _AGREE_ALL):
        return False
    first, _, last = _thirds(blocks)
    for name, values in values_of_parts(loader, steps).items():
        if np.isfinite(values[at]).sum() >= FEWEST_STEPS:
            part = block_means(name, values, at, len(blocks))
            begin, _, end = _thirds(part)
            if _grows(part) and end - begin >= _MOST_OF * (last - first):
                return True
    return False


def values_of_parts(loader: Loader, steps: Steps) -> dict[str, Array]:
    """Return the length of each part (ns) in each step; NaN in steps that were only timed."""
    return {name: loader.walk.parts[key][steps.event] for key, name in _NAMES.items()}


def _epochs(loader: Loader, steps: Steps, at: Indices) -> list[Indices]:
    """Return the steps of each epoch that has enough of them."""
    iterator = loader.walk.iterator[steps.event[at]]
    parts = np.split(at, np.flatnonzero(np.diff(iterator)) + 1)
    return [part for part in parts if len(part) >= FEWEST_STEPS]


def typical(name: str, values: Array) -> float:
    """Return the usual length of a part; of waits, which come in bursts, the mean."""
    known = values[np.isfinite(values)]
    if not len(known):
        return 0.0
    return float(known.mean() if name == "input wait" else np.median(known))


def block_means(name: str, values: Array, at: Indices, count: int) -> Array:
    """Return the usual length of a part (ms) in each block; between its neighbours' where a block recorded none."""
    parts = np.array_split(at, count)
    found = np.array([typical(name, values[part]) if np.isfinite(values[part]).any() else np.nan for part in parts])
    known = np.flatnonzero(np.isfinite(found))
    filled: Array = np.interp(np.arange(count), known, found[known]) / 1e6
    return filled
