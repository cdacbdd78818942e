"""The number of each iterator and of its loader, and what is known of an iterator while it exists."""

from __future__ import annotations

import itertools
import weakref

from ..process import process
from ..source_code import callers
from . import activity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .queues import QueueView


class Numbers:
    """Numbers of this process's iterators and loaders; of each loader also how many iterators it has had."""

    __slots__ = ("iterators", "loaders", "registered")

    def __init__(self) -> None:
        self.iterators, self.loaders = itertools.count(1), itertools.count(1)
        self.registered: weakref.WeakKeyDictionary[Any, tuple[int, int]] = weakref.WeakKeyDictionary()

    def after_fork(self) -> None:
        """Go on counting: iterators that the child has inherited keep their numbers."""

    def register(self, loader: Any) -> tuple[int, int]:
        """Return the loader's number, and how many iterators it has had before."""
        try:
            number, epoch = self.registered.get(loader) or (next(self.loaders), 0)
            self.registered[loader] = number, epoch + 1
        except TypeError:  # a loader that cannot be hashed or referenced weakly: each iterator counts as one of its own
            number, epoch = next(self.loaders), 0
        return number, epoch


numbers = process.own(Numbers())


class Record:
    """What is known of one iterator. `under_construction`: it, or its next epoch, is being made. `open`: it has been made
    and is not exhausted. `timestamps`: where the times of its steps go while they leave nothing else. `index_ns`: time in
    the loader's sampler that is not written yet."""

    __slots__ = (
        "__weakref__",
        "epoch",
        "index_ns",
        "loader",
        "number",
        "open",
        "pid",
        "place",
        "queue",
        "timestamps",
        "under_construction",
    )

    def __init__(self, loader: Any) -> None:
        self.loader, self.epoch = numbers.register(loader)
        self.pid = process.pid
        self.queue: QueueView | None = None
        self.open = False
        self.begin()

    def begin(self) -> None:
        """Take a new number: for the iterator, or for the next epoch of one with persistent workers."""
        self.number = next(numbers.iterators)
        self.place = callers.calling_place()
        self.under_construction = True
        self.timestamps: list[int] | None = None
        self.index_ns = 0

    def take_index_ns(self) -> int:
        """Return the time in the loader's sampler since the last call."""
        taken, self.index_ns = self.index_ns, 0
        return taken

    def begin_epoch(self, loader: Any) -> None:
        """Become the record of the next epoch."""
        self.close()
        self.loader, self.epoch = numbers.register(loader)
        self.begin()

    def close(self) -> None:
        """Write the tail of an iterator that was left before its end, in the thread that trained with it."""
        account = activity.current()
        if self.open and self.pid == process.pid and account.iterator == self.number:
            activity.write_tail(account, self.number)
        self.open = False

    def __del__(self) -> None:
        try:
            self.close()
        except Exception:
            pass  # the interpreter is going down and took our modules with it
