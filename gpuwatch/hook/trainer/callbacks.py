"""Calls that wait for a moment of the training: the next optimizer step that is sampled in full, a loader's second batch."""

from __future__ import annotations

from ..event_log import spool
from ..process import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Callbacks:
    """Calls to make at one moment, each `once` or every time; one that fails is written, and the others are made."""

    __slots__ = ("calls", "moment", "once")

    def __init__(self, moment: str, once: bool) -> None:
        self.moment, self.once = moment, once
        self.calls: list[Callable[[], None]] = []

    def after_fork(self) -> None:
        """Keep all: the child may train."""

    def make(self) -> None:
        """Make the calls."""
        calls = self.calls
        if self.once:
            self.calls = []
        for call in calls:
            try:
                call()
            except Exception as error:
                spool.error(self.moment, error)


next_step = process.own(Callbacks("next step", once=True))
# Where an iterator has given its second batch: the loop's frames are on the stack.
second_batch = process.own(Callbacks("second batch", once=False))
