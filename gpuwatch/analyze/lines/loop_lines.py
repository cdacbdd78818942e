"""Whose loop a trainer's stack is in: the functions that iterate over its loaders tell training from evaluation.

Samples of a burst are folded, so that their time is only known to a second or so; where the loops stand is exact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Protocol

from gpuwatch.analyze.lines.frames import Frame
from gpuwatch.analyze.wall_time.loaders import Loader


class LoopRoles(Protocol):
    """Says what the loop around a stack does."""

    def is_evaluation(self, frames: Sequence[Frame]) -> bool | None:
        """Say whether the innermost loop around a stack evaluates; None where that is unknown."""


class LoopLines:
    """The places where loops over loaders begin, by the function they stand in."""

    def __init__(self, loaders: Iterable[Loader]) -> None:
        self._roles: dict[tuple[str, str], set[str]] = defaultdict(set)
        for loader in loaders:
            for iterator in loader.iterators:
                if iterator.place is not None:
                    self._roles[iterator.place.file, _last(iterator.place.function or "<module>")].add(loader.role)

    def is_evaluation(self, frames: Sequence[Frame]) -> bool | None:
        """Say whether the innermost loop around a stack evaluates; None where none is seen or one function does both."""
        for frame in reversed(frames):
            roles = self._roles.get((frame.file, frame.name))
            if roles:
                return None if len(roles) > 1 else roles == {"evaluation"}
        return None


def _last(function: str) -> str:
    return function.rpartition(".")[2]
