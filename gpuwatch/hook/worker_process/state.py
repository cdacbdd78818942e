"""Which loader worker this process is, and how far it is with its batch."""

from __future__ import annotations

from ..process import TYPE_CHECKING, process

if TYPE_CHECKING:
    from typing import Any

    # The values of columns.COLUMNS["fetch"], in their order; the last one a list of operations, until it is written.
    Row = list[Any]


class Worker:
    """The worker's `number` (-1: the trainer), since when it waited for an `index`, when it got it, and the `row` that
    waits for the batch to be sent. `short`: fetches in a row that were over at once; `full_ns`: when the trainer's next
    measure in full is due."""

    __slots__ = ("full_ns", "got_ns", "idle_t0", "index", "number", "row", "short")

    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """Be no worker: one that was forked to be one says so itself."""
        self.number = -1
        self.index: int | None = None
        self.idle_t0: int | None = None
        self.got_ns: int | None = None
        self.row: Row | None = None
        self.short = self.full_ns = 0


worker = process.own(Worker())
