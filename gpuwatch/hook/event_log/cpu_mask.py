"""Which cores this thread may use: written when it is first of interest, and again whenever it has changed."""

from __future__ import annotations

import os
import sys
import time

from ..process import process
from . import spool

TYPE_CHECKING = False
if TYPE_CHECKING:
    Place = tuple["str | None", "int | None", "str | None"]

_NOWHERE: Place = (None, None, None)


class Mask:
    """The mask that was written last."""

    __slots__ = ("written",)

    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """Write it again: the child has a file of its own."""
        self.written: list[int] | None = None

    def write(self, moment: str, place: Place = _NOWHERE, pid: int = 0) -> None:
        """Append the mask of this thread, or of another process, unless it is the one that was written last."""
        cpus = _allowed(pid)
        other = pid not in (0, process.pid)
        if cpus is None or (cpus == self.written and not other):
            return
        if not other:
            self.written = cpus
        spool.event("cpus", time.monotonic_ns(), moment, cpus, pid or process.pid, *place)

    def write_first(self) -> None:
        """Append the mask that the process was started with, then the one that it has now."""
        started = getattr(sys.modules.get(__name__.partition(".")[0]), "CPUS", None)
        if started is not None and self.written is None:
            self.written = sorted(started)
            spool.event("cpus", time.monotonic_ns(), "start", self.written, process.pid, *_NOWHERE)
        self.write("iterator")


mask = process.own(Mask())


def _allowed(pid: int) -> list[int] | None:
    try:
        return sorted(os.sched_getaffinity(pid))
    except (AttributeError, OSError):  # not Linux, or the process has ended
        return None
