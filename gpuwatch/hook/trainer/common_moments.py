"""Moments that all ranks of a training agree on without a word: bursts that begin in them sample the same steps of each rank.

They are points of the wall clock: multiples of a power of two, so that a rank which takes fewer takes some of those that
the others take, each moved by what its number says, so that they cannot follow a rhythm of the training.
"""

from __future__ import annotations

import time

from ..event_log import identity

# 2 ** 27 ns are 0.13 s.
_FINEST = 27


def next_moment(at_ns: int, pause_ns: int, wall_ns: int | None = None) -> int:
    """Return the first such moment about `pause_ns` or longer after `at_ns` (monotonic), when it is `wall_ns`."""
    ahead_ns = (time.time_ns() if wall_ns is None else wall_ns) - at_ns
    level = max(_FINEST, pause_ns.bit_length())
    begin_ns = (((at_ns + ahead_ns + pause_ns * 3 // 4) >> level) + 1) << level
    return begin_ns + _mixed(begin_ns >> _FINEST) % (1 << (_FINEST - 1)) - ahead_ns


def _mixed(number: int) -> int:
    """Return a number that says nothing of its neighbours: a linear generator seeded with one after the other has a rhythm."""
    number = (number ^ (number >> 16)) * 0x45D9F3B & 0xFFFFFFFF
    number = (number ^ (number >> 16)) * 0x45D9F3B & 0xFFFFFFFF
    return number ^ (number >> 16)


def is_one_of_several() -> bool:
    """Say whether this process is one rank of several, by its launcher."""
    return (identity.ranks()["world_size"] or 1) > 1
