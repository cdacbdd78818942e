"""Exact times of the lines of a few functions, by line_profiler, in one batch of several: `gpuwatch lines --exact`.

Only with `exact` in GPUWATCH_HOOK and a plan in GPUWATCH_EXACT: {"sample": N or null, "functions": [{"file" or
"module", "function", "line", "during"}]}. line_profiler gets the functions' code objects and is switched on for the
making of a batch, or for a step of the trainer; the functions themselves stay the user's own objects. Each process
keeps one file in the run's folder `exact`, rewritten whole every few seconds and at its end.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import sys
import threading
import time

from ..event_log import spool
from ..process import process
from .line_times import FETCH, STEP, Lines, write_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Callable

_FETCHERS = ("_MapDatasetFetcher", "_IterableDatasetFetcher")
_now = time.monotonic_ns


class _Window(threading.local):
    """One thread's measured stretch. `step_ns`: when the trainer's step began that is not measured."""

    def __init__(self) -> None:
        self.kind: str | None = None  # of the open one
        self.began_ns = 0
        self.step_ns: int | None = None


class State:
    """The measured functions of this process, None where none are; and the window of each thread."""

    __slots__ = ("lines", "window")

    def __init__(self) -> None:
        self.lines: Lines | None = None
        self.window = _Window()

    def after_fork(self) -> None:
        """Count afresh: the counts, and a window that was open at the fork, are the parent's."""
        if self.lines is None:
            return
        try:
            if self.window.kind is not None:
                self.lines.profiler.disable_by_count()
            self.window.kind = self.window.step_ns = None
            self.lines = Lines(self.lines.plan, self.lines.codes)
        except Exception as error:
            self.give_up(error)

    def give_up(self, error: Exception) -> None:
        """Measure nothing any more."""
        self.lines = None
        spool.error("exact", error)

    def open(self, kind: str, frame: FrameType | None) -> bool:
        """Begin to measure, where it is the turn of this batch or step; return whether it is."""
        lines, window = self.lines, self.window
        try:
            if lines is None or window.kind is not None or not lines.wants(kind):
                return False
            if lines.open(kind, frame):
                window.kind, window.began_ns = kind, _now()
            return window.kind is not None
        except Exception as error:
            self.give_up(error)
            return False

    def close(self) -> None:
        """End this thread's window."""
        lines, window = self.lines, self.window
        try:
            if lines is not None and window.kind is not None:
                kind, window.kind = window.kind, None
                lines.close(kind, _now() - window.began_ns)
        except Exception as error:
            self.give_up(error)

    def pass_over(self, kind: str, began_ns: int) -> None:
        """Note how long a batch or step took that was not measured."""
        if self.lines is not None:
            self.lines.turns[kind].took(False, _now() - began_ns)


state = process.own(State())


def become_worker(number: int) -> None:
    """Note that this process is a loader's worker."""
    if state.lines is not None:
        state.lines.worker = number


def stop() -> None:
    """Write what is known, at the end of a worker or of the trainer."""
    lines = state.lines
    if lines is None:
        return
    try:
        state.close()
        if any(turns.seen for turns in lines.turns.values()):
            lines.write()
    except Exception as error:
        state.give_up(error)


def _fetching(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def fetch(self: Any, possibly_batched_index: Any) -> Any:
        opened, began_ns = state.open(FETCH, None), _now()
        try:
            return original(self, possibly_batched_index)
        finally:
            if opened:
                state.close()
            elif state.window.kind is None:
                state.pass_over(FETCH, began_ns)

    return fetch


def _stepping(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def __next__(self: Any) -> Any:
        window = state.window
        if window.step_ns is not None:
            state.pass_over(STEP, window.step_ns)
        elif window.kind == STEP:
            state.close()
        window.step_ns = None
        batch = original(self)
        window.step_ns = None if state.open(STEP, sys._getframe(1)) else _now()
        return batch

    return __next__


def on_import(_name: str, module: Any) -> None:
    """Place the windows, where they are asked for and line_profiler is there."""
    if "exact" not in os.environ.get("GPUWATCH_HOOK", "").split(","):
        return
    try:
        lines = state.lines = Lines(json.loads(os.environ["GPUWATCH_EXACT"]))
    except ImportError as error:
        write_file(None, {"missing": str(error)})
        return
    fetchers = sys.modules["torch.utils.data._utils.fetch"]
    for cls in [getattr(fetchers, name) for name in _FETCHERS]:
        cls.fetch = _fetching(cls.fetch)
    if lines.wants(STEP):
        module._BaseDataLoaderIter.__next__ = _stepping(module._BaseDataLoaderIter.__next__)
    atexit.register(stop)
