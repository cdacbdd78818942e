"""When an iterator's workers are stopped: at its end, when it is dropped, at exit. And by whose line.

torch joins them one after the other, each for up to five seconds, in `_shutdown_workers`: from the `__next__` that finds
the data at its end, else when the iterator is deleted.
"""

from __future__ import annotations

import functools
import sys

from ..attributes import RECORD, WRAPPED
from ..event_log import spool
from ..process import process
from ..source_code import callers
from .activity import now_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_STOP = "_shutdown_workers"


def watch(cls: type) -> None:
    """Have the stop of the workers of an iterator class written, if it has any."""
    original = vars(cls).get(_STOP)
    if original is not None and not hasattr(original, WRAPPED):
        setattr(cls, _STOP, _written(original))


def _written(original: Callable[[Any], None]) -> Callable[[Any], None]:
    # Bound here: iterators are deleted also when the interpreter has taken this module's names away.
    name, owner, clock, write = RECORD, process, now_ns, _write

    @functools.wraps(original)
    def _shutdown_workers(self: Any) -> None:
        # It is called again when the iterator is deleted, and in processes that inherited the iterator.
        fields = self.__dict__
        if fields.get("_shutdown", True) or fields.get(name) is None or fields[name].pid != owner.pid:
            return original(self)
        began_ns = clock()
        try:
            return original(self)
        finally:
            write(self, began_ns)

    setattr(_shutdown_workers, WRAPPED, True)
    return _shutdown_workers


def _write(iterator: Any, began_ns: int) -> None:
    try:
        ended_ns = now_ns()
        if not iterator._shutdown:
            return  # Python is going down: torch left them to it
        number, workers = iterator.__dict__[RECORD].number, len(iterator._workers)
        spool.event(
            "workers_stop", number, began_ns, ended_ns, workers, _is_exhausted(), *callers.calling_place(), callers.calling_library(),
        )  # fmt: skip
    except Exception as error:
        if spool is not None:  # it is when the interpreter goes down
            spool.error("teardown", error)


def _is_exhausted() -> bool:
    """Say whether torch itself stops the workers, because the data came to its end."""
    frame = sys._getframe(3)
    return frame.f_code.co_name == "_next_data"
