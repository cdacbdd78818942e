"""What the Python threads of a training process did beside its main one."""

from __future__ import annotations

from typing import Literal

from gpuwatch.model.measures import Place
from gpuwatch.records import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the user's with its text."""

    place: Place
    source: str | None


@dataclass(frozen=True, slots=True)
class OtherThreads:
    """Threads of one trainer that run the same function. Shares are of the time of the stack samples, in which the loop
    ran: `cores` used; `held`, in which one of them held the interpreter lock, None where that was not looked at; `at_work`,
    threads that were not waiting, on average. `makes`: what they do for the loop. `line`: the line of the user's that they
    are at most often; `pooled`: they belong to a pool of threads, which `pool` makes."""

    name: str
    count: int
    cores: float
    held: float | None
    at_work: float
    makes: Literal["batches", "pinned memory", "nothing"]
    line: Line | None
    pooled: bool = False
    pool: Line | None = None

    @property
    def lock(self) -> float:
        """The share of the time in which they held the interpreter lock; what they used of a core where that was not sampled."""
        return min(self.cores, 1.0) if self.held is None else self.held


@dataclass(frozen=True, slots=True)
class TrainerThreads:
    """The threads of a trainer. Of the main one `cpu` and `delay` are the shares of the time in which it ran, and in which
    it could run and had no core."""

    rank: int
    cpu: float
    delay: float
    others: tuple[OtherThreads, ...]

    @property
    def blocked(self) -> float:
        """The share of the time in which the main thread waited for anything but a core."""
        return max(1.0 - self.cpu - self.delay, 0.0)
