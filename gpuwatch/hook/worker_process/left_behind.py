"""What a worker leaves behind when its loop has ended: threads and processes that Python waits for before it exits.

The trainer joins the worker meanwhile, for up to five seconds. Where a thread was started is kept from its start on: its
stack need not hold a line of the user's.
"""

from __future__ import annotations

import functools
import multiprocessing.process
import sys
import threading
import weakref

from ..attributes import WRAPPED
from ..process import process
from ..source_code import callers, origins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Left = list[str | int | None]

# Of a worker that starts threads all the time, the first ones' places are enough.
_MOST_STARTS = 64
_MOST_LEFT = 8


class Starts:
    """Where the threads of this process were started."""

    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """Begin again: no thread but this one lives on in the child."""
        self.places: weakref.WeakKeyDictionary[threading.Thread, callers.Place] = weakref.WeakKeyDictionary()
        self.count = 0


_starts = process.own(Starts())


def watch() -> None:
    """Keep where each thread is started from now on."""
    original: Any = threading.Thread.start
    if not hasattr(original, WRAPPED):
        setattr(threading.Thread, "start", _remembered(original))  # noqa: B010


def _remembered(original: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
    @functools.wraps(original)
    def start(self: threading.Thread) -> None:
        if _starts.count < _MOST_STARTS:
            _starts.count += 1
            try:
                _starts.places[self] = callers.calling_place()
            except Exception:
                pass  # the thread starts all the same, only its place is not known
        original(self)

    setattr(start, WRAPPED, True)
    return start


def left_behind() -> list[Left]:
    """Return [name, file, line, function] of each thread and process that Python will wait for."""
    mine = threading.current_thread()
    threads = [one for one in threading.enumerate() if one is not mine and not one.daemon and one.is_alive()]
    left = [[one.name, *_place_of(one)] for one in threads if one is not threading.main_thread()]
    children = [child for child in list(multiprocessing.process._children) if not child.daemon]  # type: ignore[attr-defined]
    return (left + [[child.name, None, None, None] for child in children])[:_MOST_LEFT]


def _place_of(thread: threading.Thread) -> callers.Place:
    """Return where a thread was started; where that is not known the function that it runs, or its line."""
    known = _starts.places.get(thread)
    if known is not None and known[0] is not None:
        return known
    file, line, name = origins.callable_place(getattr(thread, "_target", None) or type(thread).run)
    if file is not None and origins.is_user_file(file):
        return file, line, name
    frame = sys._current_frames().get(thread.ident or 0)
    while frame is not None and not origins.is_user_file(frame.f_code.co_filename):
        frame = frame.f_back
    return origins.frame_place(frame) if frame is not None else (None, None, None)
