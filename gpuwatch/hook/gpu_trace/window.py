"""The windows of this process, one after the other, all of the thread that trains.

A window opens and closes at a boundary between two steps. It closes before its steps are complete when the loop ends, when
another loop runs on, when the process forks, ends, or starts another profiler, and when no step ends any more. Whatever goes
wrong ends the windows, never the training.
"""

from __future__ import annotations

import gc
import multiprocessing.util
import os
import sys
import threading
import time

from ..event_log import spool
from ..process import process
from .owners import owners
from .plan import Plan
from .recorder import Recorder, is_capturing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FOLDER = "traces"
_ASKED = "gpu_trace.asked"
_MOST_FILES = 8
# A window is left open no longer than this without the end of a step, or than so many times the last one.
_SILENT_NS, _SILENT_STEPS = 60_000_000_000, 5
# What ended a window.
STEPS, LOOP, OTHER_LOOP, FORK, PROFILER, EXIT, SILENCE = (
    "steps", "loop", "other loop", "fork", "profiler", "exit", "silence",
)  # fmt: skip
now_ns = time.monotonic_ns


class Window:
    """One open window. `steps`: how many have ended in it; `step_ns`: when the last one did."""

    __slots__ = ("began_ns", "file", "iterator", "open_ns", "recorder", "recording", "step_ns", "steps")

    def __init__(self, iterator: int, file: str, began_ns: int) -> None:
        self.iterator, self.file = iterator, file
        self.began_ns = self.step_ns = began_ns
        self.recorder: Recorder | None = None
        self.recording = False
        self.steps = self.open_ns = 0


class Windows:
    """Opens and closes windows. `over`: there will be no other one; `thread`: of which thread the open one is."""

    __slots__ = ("number", "over", "plan", "thread", "window")

    def __init__(self) -> None:
        wanted = os.environ.get("GPUWATCH_GPU_TRACE", "auto")
        self.plan = Plan(int(wanted) if wanted.isdigit() else None, os.path.join(_run(), _ASKED))
        self.window: Window | None = None
        self.thread = self.number = 0
        self.over = False
        owners.give_way = self.give_way

    def after_fork(self) -> None:
        """Leave the windows to the parent."""
        self.window, self.over = None, True

    def step(self, iterator: int, at_ns: int) -> None:
        """Take the end of a step, which is the beginning of the next one: open, go on, or close."""
        try:
            self.plan.passed(at_ns)
            if self.window is not None:
                self._go_on(self.window, at_ns)
            elif self.plan.is_due(at_ns):
                self._open(iterator, at_ns)
        except BaseException as error:
            self.give_up(error)
            _raise_interrupt(error)

    def close(self, why: str) -> None:
        """Close the open window, and keep what it has."""
        window = self.window
        if window is None or threading.get_ident() != self.thread:
            return
        try:
            self._close(window, why)
        except BaseException as error:
            self.give_up(error)
            _raise_interrupt(error)

    def give_way(self) -> None:
        """Close for a profiler of the script's, which is about to start."""
        if self.window is not None and threading.get_ident() != self.thread:
            self.over = True  # of another thread's: that one cancels ours
        self.close(PROFILER)

    def _open(self, iterator: int, at_ns: int) -> None:
        torch = sys.modules["torch"]
        other = owners.others()
        if other is not None or _rank(torch):
            self.over = True
            if other is not None:
                self._write("none", None, other)
            return
        if is_capturing(torch):
            return
        file = self._file()
        if file is None:
            self.over = True
            return
        self.thread = threading.get_ident()
        window = self.window = Window(iterator, file, at_ns)
        self._write("open", window, None)
        window.recorder = Recorder(torch)
        if not self.plan.windows:
            multiprocessing.util.Finalize(None, self.close, (EXIT,), exitpriority=100)
        self.plan.accelerated = window.recorder.warms_up
        if not window.recorder.warms_up:
            self._start(window)
        gc.callbacks.append(self._collected)
        window.open_ns = now_ns() - at_ns

    def _start(self, window: Window) -> None:
        assert window.recorder is not None
        window.recorder.start()
        window.recording = True
        window.recorder.mark()
        window.step_ns = now_ns()

    def _go_on(self, window: Window, at_ns: int) -> None:
        assert window.recorder is not None
        if not window.recording:
            if not is_capturing(sys.modules["torch"]):
                self._start(window)
                window.open_ns += now_ns() - at_ns
            return
        window.steps += 1
        window.step_ns = at_ns
        is_over = self.plan.is_long_enough(window.steps, at_ns - window.recorder.marks[0])
        # To close it, the device is waited for, which would spoil a graph that is being captured.
        if is_over and not is_capturing(sys.modules["torch"]):
            self._close(window, STEPS)
        else:
            window.recorder.mark()

    def _close(self, window: Window, why: str) -> None:
        """Stop, save and write it; a trace that is not whole keeps another name."""
        began_ns = now_ns()
        self._stop_watching()
        recorder = window.recorder
        if recorder is None or not window.recording:
            self.window = None
            self._write("closed", window, why)
            return
        recorder.stop()
        path = os.path.join(_run(), FOLDER, window.file)
        recorder.save(path + ".part")
        os.rename(path + ".part", path)
        self.window = None
        ended_ns = now_ns()
        self._write("closed", window, why, ended_ns, ended_ns - began_ns)
        self.plan.closed(ended_ns, window.open_ns + ended_ns - began_ns)
        self.over = self.over or self.plan.is_done

    def _stop_watching(self) -> None:
        if self._collected in gc.callbacks:
            gc.callbacks.remove(self._collected)

    def _collected(self, phase: str, _info: Any) -> None:
        """Close a window in which no step has ended for long: what it records would fill the memory."""
        window = self.window
        if phase != "stop" or window is None:
            return
        usual = _SILENT_STEPS * max(self.plan.recent, default=0)
        if now_ns() - window.step_ns > max(_SILENT_NS, usual):
            self.close(SILENCE)

    def give_up(self, error: BaseException) -> None:
        """End the windows, stop what records, and write why."""
        window, self.window = self.window, None
        self.over = True
        try:
            self._stop_watching()
            self._write("failed", window, f"{type(error).__name__}: {error}", now_ns())
            if window is not None and window.recorder is not None:
                window.recorder.give_up()
        except Exception:
            pass  # neither could it be written, nor stopped: the training goes on

    def _file(self) -> str | None:
        """Return the name of the next trace; None where the run has enough of them."""
        folder = os.path.join(_run(), FOLDER)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if len(os.listdir(folder)) >= _MOST_FILES:
            return None
        self.number += 1
        return f"{process.pid}-{self.number}.json"

    def _write(
        self,
        state: str,
        window: Window | None,
        why: str | None,
        ended_ns: int | None = None,
        close_ns: int | None = None,
    ) -> None:
        if window is None:
            spool.event("gpu_trace", now_ns(), state, None, None, None, None, None, None, [], [], why)
            return
        marks = window.recorder.marks if window.recorder is not None else []
        recorded = [activity.name for activity in window.recorder.activities] if window.recorder is not None else []
        spool.event(
            "gpu_trace", now_ns(), state, window.file, window.iterator, window.began_ns, ended_ns, window.open_ns,
            close_ns, marks, recorded, why,
        )  # fmt: skip


def _raise_interrupt(error: BaseException) -> None:
    """Let what is no error of ours go on its way: an interrupt, or the end of the process."""
    if not isinstance(error, Exception):
        raise error


def _run() -> str:
    return os.environ.get("GPUWATCH_RUN", "")


def _rank(torch: Any) -> int:
    """Return this process's rank: of its process group if there is one, else of the environment."""
    group = getattr(torch, "distributed", None)
    try:
        if group is not None and group.is_available() and group.is_initialized():
            return int(group.get_rank())
    except Exception:
        pass
    rank = os.environ.get("RANK", "0")
    return int(rank) if rank.isdigit() else 0


windows = process.own(Windows())
