"""Which batches of an iterator were made and thrown away: a resumed training walks through those that it had before.

Nothing but requests happens between them: no backward, no optimizer, no other code that takes time.
"""

from __future__ import annotations

import numpy as np

from gpuwatch.analyze.numbers.statistics import Array

# Fewer are what a library looks ahead, or collects for one step.
FEWEST = 8
# What happens between two requests that throw a batch away takes no longer (ns), or this share of a step that trains;
# where the whole pass trained nothing, it may as well be a pass that does something small.
_NOTHING_NS, _NOTHING_OF_STEP, _NOTHING_OF_PASS_NS = 100_000.0, 0.05, 30_000.0
# A progress bar is drawn now and then.
_MOST_LONGER = 0.1
# Where so many of the later requests follow each other, batches are collected for a step, not thrown away.
_MOST_TOGETHER = 0.3
# A step that only left timestamps trained if it took this share of those that are known to have.
_LIKE_TRAINED = 0.3


def count_skipped(between: Array, trained: Array, trains: bool) -> int:
    """Return how many batches came before the first that was trained on, with nothing between them; 0 if there was something.

    `between`: the time (ns) from each batch to the request for the next one; `trained`: the backward passes and optimizer
    steps known of it; `trains`: whether the pass trained at all. Else all of its batches count, or none."""
    known = np.flatnonzero(trained > 0)
    if len(between) < FEWEST or bool(len(known)) != trains:
        return 0
    if not trains:
        return len(between) + 1 if _is_nothing(between, _NOTHING_OF_PASS_NS) else 0
    usual, first = float(np.median(between[known])), int(known[0])
    nothing = np.flatnonzero(between[:first] <= max(_LIKE_TRAINED * usual, _NOTHING_NS))
    count = int(nothing[-1]) + 1 if len(nothing) else 0
    limit = max(_NOTHING_NS, _NOTHING_OF_STEP * usual)
    thrown_away = count >= FEWEST and _is_nothing(between[:count], limit)
    return count if thrown_away and not _are_taken_together(between[first + 1 :], limit) else 0


def _are_taken_together(after: Array, limit: float) -> bool:
    """Say whether later batches are requested one after the other, too: several for one step."""
    return not len(after) or float(np.mean(after <= limit)) > _MOST_TOGETHER


def _is_nothing(between: Array, limit: float) -> bool:
    return bool(np.mean(between > limit) <= _MOST_LONGER)
