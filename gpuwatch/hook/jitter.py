"""Pseudo-random numbers that leave the user's `random` alone: so that no rhythm of the training falls in with ours."""

from __future__ import annotations


class Jitter:
    """A linear congruential generator, that of ANSI C's rand()."""

    __slots__ = ("seed",)

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def below(self, limit: int) -> int:
        """Return the next number, from 0 to `limit` - 1, by the generator's high bits: its low ones repeat soon."""
        self.seed = (self.seed * 1103515245 + 12345) & 0x7FFFFFFF
        return self.seed * limit >> 31
