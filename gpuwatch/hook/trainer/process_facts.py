"""What is written once for each process: its machine, its libraries, its process group, and that it ended by itself."""

from __future__ import annotations

import multiprocessing.util
import os
import sys

from ..event_log import counters, spool
from ..event_log.cpu_mask import mask
from ..event_log.library_threads import library_threads
from ..process import process
from ..process_state import explicit_collections, reading
from . import activity, describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Facts:
    """What this process has written of itself."""

    __slots__ = ("ended", "group", "written")

    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """Write all of it again: the child has a file of its own."""
        self.written = self.ended = False
        self.group: list[Any] | None = None

    def write(self) -> None:
        """Write what is known only now: the loader's machine and, once it is there, the process group."""
        if not self.written:
            self.written = True
            spool.meta("torch", torch_version())
            spool.meta("affinity", len(os.sched_getaffinity(0)))
            spool.meta("cpu_count", os.cpu_count())
            mask.write_first()
            spool.meta("threads", library_threads())
            # A trainer forked by multiprocessing ends without atexit, but not without this.
            multiprocessing.util.Finalize(None, self.write_end, exitpriority=0)
        mask.write("iterator")
        group = describe.process_group()
        if group is not None and group != self.group:
            self.group = group
            spool.meta("ranks", group)

    def write_end(self) -> None:
        """Write the last activity and that the process ended by itself; nothing of one that neither loaded nor trained."""
        if self.ended or not (self.written or activity.current().trained()):
            return
        try:
            self.ended = True
            counters.stop_watching_collector()
            explicit_collections.stop()
            reading.read_at_exit()
            account = activity.current()
            if account.gpu is not None:
                account.gpu.resolve()
            activity.write_tail(account, account.iterator)
            account.iterator = None
            mask.write("end")
            spool.meta("exit", "atexit")
        except Exception:
            pass  # nothing of ours may change how the training ends


def torch_version() -> str:
    """Return the version of the torch that is imported."""
    return str(getattr(sys.modules.get("torch"), "__version__", None))


facts = process.own(Facts())
