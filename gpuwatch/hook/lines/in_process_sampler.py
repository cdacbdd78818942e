"""The in-process sampler: which user line a worker, or the trainer's main thread, is at, some hundred times a second.

Off unless asked for: `timer` in GPUWATCH_HOOK, or {"timer": true} in the run's control.json, looked at once a second
when a batch is delivered or fetched. How ticks are counted: `line_sampler`. {"over": true} says that the run is over, which
a worker that lives on would not know.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
import threading

from ..event_log import spool
from ..process import process
from . import shared_flag
from .line_sampler import LineSampler, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

_POLL_NS = 1_000_000_000

state = process.own(State())


def passed(now_ns: int) -> None:
    """Note that a batch was delivered or made: once a second, see whether the sampler is asked for."""
    if now_ns > state.next_poll_ns:
        state.next_poll_ns = now_ns + _POLL_NS
        _poll()


def waiting(iterator: Any, seen: tuple[Any, ...] | None) -> None:
    """Note that the trainer now waits for a batch; `seen` is what `QueueView.before` returned."""
    state.activity = "wait"
    shared = state.sampler.shared if state.sampler is not None else None
    if shared is None or not seen:
        return
    _ready, _arrived, available, awaited = seen
    if not available and awaited is not None:
        shared_flag.write(shared, True, iterator._workers[awaited].pid)


def given(now_ns: int) -> None:
    """Note that the trainer has its batch."""
    state.activity = "step"
    sampler = state.sampler
    if sampler is not None and sampler.shared is not None:
        shared_flag.write(sampler.shared, False)
    if now_ns > state.next_poll_ns:
        passed(now_ns)


def become_worker(number: int, trainer_pid: int) -> None:
    """Start afresh in a DataLoader worker."""
    state.worker, state.trainer_pid, state.activity = number, trainer_pid, "startup"
    if state.sampler is not None:  # started by the imports of a spawned process
        state.sampler.shared = shared_flag.of_trainer(trainer_pid)
    _poll()


def stop() -> None:
    """Stop sampling: before the process ends, or when it is not asked for any more."""
    sampler, state.sampler = state.sampler, None
    if sampler is not None:
        sampler.close()


def _poll() -> None:
    try:
        if _control().get("over"):
            stop()
            spool.use_folder(None)
            return
        wanted = _is_wanted()
        if wanted and state.sampler is None and not state.failed:
            _start()
        elif not wanted and state.sampler is not None:
            stop()
    except Exception as error:
        state.failed = True
        spool.meta("timer", f"not available: {error}")


def _start() -> None:
    if threading.current_thread() is not threading.main_thread():
        return  # a later batch may be requested in the main thread
    state.sampler = LineSampler(state)
    atexit.register(stop)
    if state.trainer_pid is not None:
        state.sampler.shared = shared_flag.of_trainer(state.trainer_pid)
    else:
        state.sampler.shared = shared_flag.create()
    spool.meta("timer", "on")


def _is_wanted() -> bool:
    return "timer" in os.environ.get("GPUWATCH_HOOK", "").split(",") or bool(_control().get("timer"))


def _control() -> dict[str, Any]:
    """Return what the run's control.json says; nothing where there is none."""
    run = os.environ.get("GPUWATCH_RUN")
    try:
        with open(os.path.join(run or "", "control.json"), encoding="utf-8") as file:
            control = json.load(file)
            return control if isinstance(control, dict) else {}
    except (OSError, ValueError):
        return {}


def on_import(_name: str, _module: object) -> None:
    """Start early where the environment asks for it, so that start-up is covered too."""
    if not _is_fork_server():
        _poll()


def _is_fork_server() -> bool:
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename.endswith("multiprocessing/forkserver.py"):
            return True
        frame = frame.f_back
    return False
