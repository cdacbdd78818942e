"""Exact times of the lines of a few functions, by line_profiler, in one batch of several: `gpuwatch lines --exact`.

Only with `exact` in GPUWATCH_HOOK and a plan in GPUWATCH_EXACT: {"sample": N, "functions": [{"file" or "module",
"function", "line", "during"}]}. line_profiler is told the functions' code objects and switched on for the making of
a batch, or for a step of the trainer; the functions themselves stay the user's own objects. Each process keeps one
file in the run's folder `exact`, rewritten whole every few seconds and at its end.
"""

import atexit
import functools
import json
import os
import sys
import threading

from . import spool
from .line_times import FETCH, STEP, Lines, write_file

_FETCHERS = ("_MapDatasetFetcher", "_IterableDatasetFetcher")
_DEBUG = bool(os.environ.get("GPUWATCH_DEBUG"))


class _Here(threading.local):
    open = False  # a window of this thread
    step = False  # it is the trainer's step


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
    spool.meta("hook_error", "exact: %s: %s" % (type(trouble).__name__, trouble))
    if _DEBUG:
        raise trouble


def _open(kind, frame):
    lines = _state["lines"]
    try:
        if lines is None or here.open or not lines.wants(kind):
            return False
        here.open = lines.open(kind, frame)
        return here.open
    except Exception as trouble:
        return _give_up(trouble)


def _close():
    lines = _state["lines"]
    try:
        if lines is not None and here.open:
            here.open = False
            lines.close()
    except Exception as trouble:
        _give_up(trouble)


def _fetching(original):
    @functools.wraps(original)
    def fetch(self, possibly_batched_index):
        opened = _open(FETCH, None)
        try:
            return original(self, possibly_batched_index)
        finally:
            if opened:
                _close()

    return fetch


def _stepping(original):
    @functools.wraps(original)
    def __next__(self):
        if here.step:
            here.step = False
            _close()
        batch = original(self)
        here.step = bool(_open(STEP, sys._getframe(1)))
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
        here.open = here.step = False
        _state["lines"] = Lines(lines.plan, lines.codes)
    except Exception as trouble:
        _give_up(trouble)
