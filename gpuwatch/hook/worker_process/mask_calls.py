"""Who sets the cores of a process: the line that calls os.sched_setaffinity, or psutil's way to it."""

from __future__ import annotations

import functools
import os

from ..attributes import is_measured, measures
from ..event_log import spool
from ..event_log.cpu_mask import mask
from ..source_code import callers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def on_import(name: str, module: Any) -> None:
    """Have the calls of psutil noted, or with torch's loader those of the standard library."""
    if name == "psutil":
        process: Any = getattr(module, "Process", None)
        method = getattr(process, "cpu_affinity", None)
        if callable(method) and not is_measured(method):
            process.cpu_affinity = _noted_in_psutil(method)
    elif hasattr(os, "sched_setaffinity") and not is_measured(os.sched_setaffinity):
        setattr(os, "sched_setaffinity", _noted(os.sched_setaffinity))  # noqa: B010


def _noted(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def sched_setaffinity(*args: Any, **kwargs: Any) -> None:
        original(*args, **kwargs)
        _note(args[0] if args else 0)

    sched_setaffinity.__module__ = "os"
    return measures(original, sched_setaffinity)


def _noted_in_psutil(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def cpu_affinity(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        if args or kwargs:
            _note(self.pid)
        return result

    return measures(original, cpu_affinity)


def _note(pid: int) -> None:
    try:
        mask.write("set", callers.calling_place(), pid)
    except Exception as error:
        spool.error("sched_setaffinity", error)
