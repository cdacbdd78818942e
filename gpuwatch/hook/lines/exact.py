"""Exact times of the lines of a few functions, by line_profiler, in one batch of several: `gpuwatch lines --exact`.

Only with `exact` in GPUWATCH_HOOK and a plan in GPUWATCH_EXACT: {"sample": N or null, "functions": [{"file" or
"module", "function", "line", "during"}]}. line_profiler is told the functions' code objects and switched on for the making of
a batch, or for a step of the trainer; the functions themselves stay the user's own objects. Each process keeps one
file in the run's folder `exact`, rewritten whole every few seconds and at its end.
"""

import atexit
import functools
import json
import os
import sys
import threading
import time

from ..event_log import spool
from .line_times import FETCH, STEP, Lines, write_file

_FETCHERS = ("_MapDatasetFetcher", "_IterableDatasetFetcher")
_now = time.monotonic_ns


class _Here(threading.local):
    open = None  # the kind of this thread's window, and when it began
    step_ns = None  # when the trainer's step began that nobody measures


here = _Here()
_state = {"lines": None}


def become_worker(number):
    """Tell that this process is a loader's worker."""
    if _state["lines"] is not None:
        _state["lines"].worker = number


def stop():
    """Write what is known, at the end of a worker or of the trainer."""
    lines = _state["lines"]
    if lines is None:
        return
    try:
        _close()
        if any(turns.seen for turns in lines.turns.values()):
            lines.write()
    except Exception as trouble:
        _give_up(trouble)


def _give_up(trouble):
    _state["lines"] = None
    spool.error("exact", trouble)


def _open(kind, frame):
    lines = _state["lines"]
    try:
        if lines is None or here.open or not lines.wants(kind):
            return False
        if lines.open(kind, frame):
            here.open = kind, _now()
        return bool(here.open)
    except Exception as trouble:
        return _give_up(trouble)


def _close():
    lines = _state["lines"]
    try:
        if lines is not None and here.open:
            (kind, began_ns), here.open = here.open, None
            lines.close(kind, _now() - began_ns)
    except Exception as trouble:
        _give_up(trouble)


def _unmeasured(kind, began_ns):
    lines = _state["lines"]
    if lines is not None:
        lines.turns[kind].took(False, _now() - began_ns)


def _fetching(original):
    @functools.wraps(original)
    def fetch(self, possibly_batched_index):
        opened, began_ns = _open(FETCH, None), _now()
        try:
            return original(self, possibly_batched_index)
        finally:
            if opened:
                _close()
            elif not here.open:
                _unmeasured(FETCH, began_ns)

    return fetch


def _stepping(original):
    @functools.wraps(original)
    def __next__(self):
        if here.step_ns is not None:
            _unmeasured(STEP, here.step_ns)
        elif here.open and here.open[0] == STEP:
            _close()
        here.step_ns = None
        batch = original(self)
        here.step_ns = None if _open(STEP, sys._getframe(1)) else _now()
        return batch

    return __next__


def on_import(_name, module):
    """Place the windows, where they are asked for and line_profiler is there."""
    if "exact" not in os.environ.get("GPUWATCH_HOOK", "").split(","):
        return
    try:
        lines = _state["lines"] = Lines(json.loads(os.environ["GPUWATCH_EXACT"]))
    except ImportError as trouble:
        return write_file(None, {"missing": str(trouble)})
    fetchers = sys.modules["torch.utils.data._utils.fetch"]
    for cls in [getattr(fetchers, name) for name in _FETCHERS]:
        cls.fetch = _fetching(cls.fetch)
    if lines.wants(STEP):
        module._BaseDataLoaderIter.__next__ = _stepping(module._BaseDataLoaderIter.__next__)
    os.register_at_fork(after_in_child=_after_fork)
    atexit.register(stop)


def _after_fork():
    # The counts, and a window that was open at the fork, are the parent's.
    lines = _state["lines"]
    if lines is None:
        return
    try:
        if here.open:
            lines.profiler.disable_by_count()
        here.open = here.step_ns = None
        _state["lines"] = Lines(lines.plan, lines.codes)
    except Exception as trouble:
        _give_up(trouble)
