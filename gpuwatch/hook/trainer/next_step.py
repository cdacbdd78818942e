"""What is to be done once, where the next optimizer step that is sampled in full begins."""

from __future__ import annotations

from ..event_log import spool
from ..process import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class NextStep:
    """Calls that wait for a step."""

    __slots__ = ("calls",)

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def after_fork(self) -> None:
        """Keep all: the child may train."""

    def begins(self) -> None:
        """Make the calls, each once."""
        calls, self.calls = self.calls, []
        for call in calls:
            try:
                call()
            except Exception as error:
                spool.error("next step", error)


next_step = process.own(NextStep())
