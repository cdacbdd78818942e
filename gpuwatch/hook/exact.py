"""Exact times of the lines of a few functions, by line_profiler, in one batch of several: `gpuwatch lines --exact`.

Only with `exact` in GPUWATCH_HOOK and a plan in GPUWATCH_EXACT: {"sample": N, "functions": [{"file" or "module",
"function", "line", "during"}]}. line_profiler is told the functions' code objects and switched on for the making of
a batch, or for a step of the trainer; the functions themselves stay the user's own objects. Each process keeps one
file in the run's folder `exact`, rewritten whole every few seconds and at its end.
"""

import atexit
import functools
import importlib
import json
import os
import sys
import threading
import time

from . import spool
from .named_code import Named

FORMAT = "gpuwatch.exact/1"
FETCH, STEP = "fetch", "step"
_FETCHERS = ("_MapDatasetFetcher", "_IterableDatasetFetcher")
_CORE = "LINE_PROFILER_CORE"
_FLUSH_NS = 2_000_000_000
_DEBUG = bool(os.environ.get("GPUWATCH_DEBUG"))
_now = time.monotonic_ns


class Turns:
    """Which batches are measured: one in each `every`, at a place that changes, so that no period hides between them.

    Of the first ones it is the second: what a worker does once, at its first batch, is no part of the making.
    """

    __slots__ = ("every", "seen", "measured", "next", "seed")

    def __init__(self, every):
        self.every, self.seen, self.measured = every, 0, 0
        self.next = min(1, every - 1)
        self.seed = os.getpid() | 1

    def take(self):
        """Count one batch; say whether it is to be measured."""
        number = self.seen
        self.seen += 1
        if number != self.next:
            return False
        self.seed = (self.seed * 1103515245 + 12345) & 0x7FFFFFFF
        self.next = (number // self.every + 1) * self.every + (self.seed >> 8) % self.every
        return True


class _Code:
    """Stands for a function where line_profiler wants one: it replaces `__code__`, and the user's is left alone."""

    def __init__(self, code):
        self.__code__ = code
        self.__name__ = code.co_name


class Lines:
    """The measured functions of this process, and what is known of their lines."""

    def __init__(self, plan, codes=()):
        self.plan = plan
        self.named = [Named(told) for told in plan["functions"]]
        self.profiler = _new_profiler()
        self.turns = {kind: Turns(int(plan.get("sample") or 1)) for kind in (FETCH, STEP)}
        self.codes = {}
        self.worker = -1
        self.modules = 0
        self.flushed_ns = _now()
        self.path = None
        for code, number in dict(codes).items():
            self._measure(code, number)

    def wants(self, kind):
        """Say whether a function of the plan runs in this kind of window."""
        return any(told.get("during") in (None, kind) for told in self.plan["functions"])

    def open(self, kind, frame):
        """Begin to measure if it is this one's turn; return whether it is measured."""
        turns = self.turns[kind]
        # A debugger or coverage that traces already goes first: there can be one tracer of a thread.
        if not turns.take() or here.open or sys.gettrace() is not None:
            return False
        self._look(frame)
        if not self.codes:
            return False
        turns.measured += 1
        here.open = True
        self.profiler.enable_by_count()
        return True

    def close(self):
        """Stop measuring; write now and then what is known."""
        here.open = False
        self.profiler.disable_by_count()
        if self.path is None or _now() - self.flushed_ns > _FLUSH_NS:
            self.write()

    def _look(self, frame):
        missing = [number for number in range(len(self.named)) if number not in self.codes.values()]
        # A function of the script that runs may be found on the stack at any time; new ones come with new modules.
        if missing and (len(sys.modules) != self.modules or frame is not None):
            self.modules = len(sys.modules)
            for number in missing:
                for code in self.named[number].find(frame):
                    self._measure(code, number)

    def _measure(self, code, number):
        if code in self.codes:
            return
        paddings = getattr(self.profiler, "_all_paddings", None)
        if paddings is not None:
            paddings[code.co_code] = 0  # line_profiler 5 pads code to know it again, and what runs already has none
        self.profiler.add_function(_Code(code))
        self.codes[code] = number

    def write(self):
        """Write this process's file anew."""
        self.flushed_ns = _now()
        _write_file(self, {"functions": self._functions()})

    def _functions(self):
        stats = self.profiler.get_stats()
        places = {(code.co_filename, code.co_firstlineno): (code, number) for code, number in self.codes.items()}
        functions = []
        for (file, first, name), rows in stats.timings.items():
            code, number = places.get((file, first), (None, None))
            if number is None:
                continue
            lines = [[line, hits, int(spent * stats.unit * 1e9)] for line, hits, spent in rows if hits]
            functions.append(
                {"asked": number, "file": os.path.abspath(file), "first": first, "name": name, "lines": lines}
            )
        return functions


class _Here(threading.local):
    open = False  # a window of this thread
    step = False  # it is the trainer's step


here = _Here()
_state = {"lines": None}


def _new_profiler():
    """Return a LineProfiler; on Python 3.12+ with its tracing core, which costs less than sys.monitoring's."""
    before = os.environ.get(_CORE)
    os.environ.setdefault(_CORE, "ctrace")
    try:
        return importlib.import_module("line_profiler").LineProfiler()
    finally:
        if before is None:
            del os.environ[_CORE]


def _write_file(lines, told):
    folder = os.path.join(os.environ.get("GPUWATCH_RUN") or "", "exact")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = (lines.path if lines else None) or os.path.join(folder, "%d-%d.json" % (os.getpid(), _now()))
    told = dict(told, format=FORMAT, pid=os.getpid(), python=sys.version.split()[0], executable=sys.executable)
    if lines:
        lines.path = path
        told["worker"] = lines.worker
        told["batches"] = {kind: [turns.measured, turns.seen] for kind, turns in lines.turns.items()}
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(told, file)
    os.replace(path + ".new", path)


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
        if here.open:
            lines.close()
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
        return lines is not None and lines.wants(kind) and lines.open(kind, frame)
    except Exception as trouble:
        return _give_up(trouble)


def _close():
    lines = _state["lines"]
    try:
        if lines is not None and here.open:
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
        return _write_file(None, {"missing": str(trouble)})
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
