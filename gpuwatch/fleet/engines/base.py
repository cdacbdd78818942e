"""What an engine is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from gpuwatch.records import dataclass

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class ReaderLost:
    """What became of an item whose reader was lost as often as it was tried."""

    reason: str


class Engine(Protocol):
    """Calls a function on many items, in any order. `workers`: how many at once, where the engine starts them itself."""

    name: str
    workers: int

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[tuple[Item, Result | ReaderLost]]:
        """Yield each item with its result; an item is tried again where its worker was lost. Items are taken as workers get free,
        results are held no longer than until they are yielded."""
        ...
