"""Everything that the hook remembers of this process: one object owns it, and one callback renews it after a fork.

A part of the state is an object with `after_fork()`, which makes it what it is in a new process. It is made once, at
import, and keeps its identity: modules may hold on to it.
"""

from __future__ import annotations

import os
import sys

# Importing typing would cost time in every Python of the user's; type checkers take this name for true.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol, TypeVar

    class Part(Protocol):
        def after_fork(self) -> None: ...

    Owned = TypeVar("Owned", bound=Part)


class Process:
    """The parts of the hook's state in this process, in the order in which they were made. `before`: what is called before
    it forks. `idle`: the hook has been taken out again (`entry/in_process`), and what is left of it records nothing."""

    __slots__ = ("before", "idle", "parts", "pid")

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.idle = False
        self.parts: list[Part] = []
        self.before: list[Callable[[], None]] = []

    def own(self, part: Owned) -> Owned:
        """Take a part over, to renew it in each forked child after those that came before it; return it."""
        self.parts.append(part)
        return part

    def begin_anew(self) -> None:
        """Make all parts those of a new process, in this one: another run is recorded. A part for which that is not what a
        fork does has a `begin_anew` of its own."""
        self.idle = False
        self._renew([getattr(part, "begin_anew", part.after_fork) for part in self.parts])

    def before_fork(self) -> None:
        """End what a child must not go on with; what fails stays here."""
        for end in self.before:
            try:
                end()
            except Exception:
                pass  # the fork is the user's

    def after_fork(self) -> None:
        """Make all parts those of a new process, also after one that fails; with GPUWATCH_DEBUG raise that at the end."""
        self.pid = os.getpid()
        self._renew([part.after_fork for part in self.parts])

    def _renew(self, calls: list[Callable[[], None]]) -> None:
        failed = None
        for call in calls:
            try:
                call()
            except Exception as error:
                failed = failed or error
        if failed is not None and os.environ.get("GPUWATCH_DEBUG"):
            raise failed


process = Process()
os.register_at_fork(before=process.before_fork, after_in_child=process.after_fork)


def command_line() -> list[str]:
    """Return the arguments that this Python was started with, the interpreter first."""
    started = getattr(sys, "orig_argv", None)
    if started:
        return list(started)
    try:
        with open("/proc/self/cmdline", "rb") as file:
            return [os.fsdecode(part) for part in file.read().split(b"\0")[:-1]]
    except OSError:
        return list(getattr(sys, "argv", []))
