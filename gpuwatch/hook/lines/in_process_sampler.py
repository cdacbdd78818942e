"""The timer sampler: which user line a worker, or the trainer's main thread, is at, some hundred times a second.

Off unless asked for: `timer` in GPUWATCH_HOOK, or {"timer": true} in the run's control.json, looked at once a second
when a batch is given or fetched. Ticks are due at moments that nothing of the training's shifts: one that a long C call
has held up counts for all that were due meanwhile, and the next may follow at once. Each tick is tagged: the trainer was starved, and waited for this very worker (told through a small shared file), or the thread was
blocked: neither on a core nor waiting for one for half of the millisecond after the tick (of a late tick: half of the
time since the last one).
"""

import atexit
import json
import os
import sys
import threading
import time

from ..event_log import counters, spool
from ..fetch_in_progress import here
from ..jitter import Jitter
from ..source_code import current_line
from . import shared_flag

_now = time.monotonic_ns
_thread_cpu = time.thread_time_ns
_PERIOD_NS = 10_000_000
_PROBE_NS = 1_000_000
_LEAST_NS = 50_000
_MOST_LATE_NS = 10_000_000_000
_FLUSH_NS = 2_000_000_000
_POLL_NS = 1_000_000_000
_DEBUG = bool(os.environ.get("GPUWATCH_DEBUG"))


class State:
    """What the sampler of this process knows of the process; written by the hooks, read by the tick."""

    sampler = None  # the Sampler at work, if any
    next_poll_ns = 0
    activity = "startup"
    worker = -1
    trainer_pid = None
    failed = False


state = State()


class Sampler:
    """Counts ticks by line since the last flush."""

    def __init__(self):
        from .ticker import Ticker

        self.counts = {}
        self.shared = None
        self.probed = None  # the counts of the last tick, until it is known whether the thread was blocked
        self.wall_ns, self.cpu_ns, self.delay_ns = _clocks()
        self.flushed_ns = self.wall_ns
        self.jitter = Jitter(os.getpid())
        self.due_ns = self.wall_ns + _PERIOD_NS
        self.ticker = Ticker(self._tick)
        self.ticker.arm(_PERIOD_NS)

    def _tick(self, _signal, frame):
        try:
            now_ns, probed = _now(), self.probed
            if probed is not None:
                self._probe()
            if probed is None or now_ns >= self.due_ns:
                self._count(frame)
            next_ns = self.due_ns - _now()
            self.ticker.arm(max(next_ns if self.probed is None else min(next_ns, _PROBE_NS), _LEAST_NS))
        except Exception:  # whatever it is must not reach the code that was interrupted
            if _DEBUG:
                raise

    def _probe(self):
        (counted, ticks), self.probed = self.probed, None
        wall_ns, cpu_ns, delay_ns = _clocks()
        # Not a share of the time: on a busy machine the tick itself waits for a core after a blocked millisecond.
        if wall_ns - self.wall_ns - (cpu_ns - self.cpu_ns) - (delay_ns - self.delay_ns) > _PROBE_NS // 2:
            counted[3] += ticks

    def _due(self, now_ns):
        """Return how many ticks were due by now, and how late the first of them is told."""
        late_ns = now_ns - self.due_ns
        lost = (late_ns // _MOST_LATE_NS) * _MOST_LATE_NS  # of hours in which the process stood, not each is drawn
        self.due_ns += lost
        ticks = lost // _PERIOD_NS
        while self.due_ns <= now_ns:
            ticks += 1
            # 5 to 15 ms apart, so that no period of the training's hides between ticks.
            self.due_ns += _PERIOD_NS // 2 + self.jitter.below(_PERIOD_NS)
        return max(ticks, 1), late_ns

    def _count(self, frame):
        wall_ns, cpu_ns, delay_ns = _clocks()
        passed, ran, delay = wall_ns - self.wall_ns, cpu_ns - self.cpu_ns, delay_ns - self.delay_ns
        self.wall_ns, self.cpu_ns, self.delay_ns = wall_ns, cpu_ns, delay_ns
        if wall_ns - self.flushed_ns > _FLUSH_NS:
            self.flush(wall_ns)
        ticks, late_ns = self._due(wall_ns)
        starved, awaited = self._told()
        key = self._place(frame)
        counted = self.counts.setdefault(key, [0, 0, 0, 0])
        counted[0] += ticks
        counted[1] += ticks if starved else 0
        counted[2] += ticks if awaited else 0
        if late_ns < _PROBE_NS or 2 * delay > late_ns:
            self.probed = counted, ticks  # in time, or late for want of a core
        elif 2 * (ran + delay) < passed:
            counted[3] += ticks  # late for a call that held the tick up: the time covered is that call's

    def _place(self, frame):
        """Return the activity (also in the trainer a fetch, without workers) and the line."""
        line, importing = current_line.line_of(frame, state.worker >= 0)
        activity = "fetch" if here.busy else state.activity
        return ("importing" if importing and activity == "startup" else activity,) + line

    def _told(self):
        if state.worker < 0:
            return state.activity == "wait", False  # in its own wait the trainer is always starved
        if self.shared is None:
            return False, False
        starved, pid = shared_flag.told(self.shared)
        return starved, starved and pid == self.ticker.pid

    def flush(self, at_ns):
        """Write what was counted."""
        counts, self.counts, self.flushed_ns = self.counts, {}, at_ns
        for (activity, file, line, function, callee), (ticks, starved, awaited, blocked) in counts.items():
            spool.event(
                "line", at_ns, state.worker, file, line, function, activity, ticks, starved, awaited, blocked, callee
            )
        if self.shared is None and state.worker >= 0:
            self.shared = shared_flag.of_trainer(state.trainer_pid)

    def close(self):
        """Stop; what is pending is written."""
        self.ticker.close()
        self.flush(_now())


def _clocks():
    """Return the time, and of this thread its CPU time and its time runnable without a core."""
    return _now(), _thread_cpu(), counters.thread_delay_ns() or 0


def passed(now_ns):
    """Tell that a batch was given or made: once a second, see whether the sampler is wanted."""
    if now_ns > state.next_poll_ns:
        state.next_poll_ns = now_ns + _POLL_NS
        _poll()


def waiting(iterator, seen):
    """Tell that the trainer now waits for a batch; `seen` is queues.Workers.before's (held, arrived, had, awaited)."""
    state.activity = "wait"
    shared = state.sampler.shared if state.sampler is not None else None
    if shared is not None and seen and not seen[2] and seen[3] is not None:
        shared_flag.tell(shared, 1, iterator._workers[seen[3]].pid)


def given(now_ns):
    """Tell that the trainer has its batch."""
    state.activity = "step"
    sampler = state.sampler
    if sampler is not None and sampler.shared is not None:
        shared_flag.tell(sampler.shared, 0)
    if now_ns > state.next_poll_ns:
        passed(now_ns)


def become_worker(number, trainer_pid):
    """Start afresh in a DataLoader worker."""
    state.worker, state.trainer_pid, state.activity = number, trainer_pid, "startup"
    if state.sampler is not None:  # started by the imports of a spawned process
        state.sampler.shared = shared_flag.of_trainer(trainer_pid)
    _poll()


def stop():
    """Take the timer away: before the process ends, or when nobody wants it any more."""
    sampler, state.sampler = state.sampler, None
    if sampler is not None:
        sampler.close()


def _poll():
    try:
        wanted = _wanted()
        if wanted and state.sampler is None and not state.failed:
            _start()
        elif not wanted and state.sampler is not None:
            stop()
    except Exception as trouble:
        state.failed = True
        spool.meta("timer", "not available: %s" % trouble)


def _start():
    if threading.current_thread() is not threading.main_thread():
        return  # a later batch may be asked for in the main thread
    state.sampler = Sampler()
    atexit.register(stop)
    if state.worker >= 0:
        state.sampler.shared = shared_flag.of_trainer(state.trainer_pid)
    else:
        state.sampler.shared = shared_flag.create()
    spool.meta("timer", "on")


def _wanted():
    if "timer" in os.environ.get("GPUWATCH_HOOK", "").split(","):
        return True
    run = os.environ.get("GPUWATCH_RUN")
    try:
        with open(os.path.join(run or "", "control.json"), encoding="utf-8") as file:
            return bool(json.load(file).get("timer"))
    except (OSError, ValueError, AttributeError):
        return False


def _after_fork():
    # The timer stayed with the parent; its handler, and the parent's counts, came along.
    sampler, state.sampler = state.sampler, None
    state.failed, state.next_poll_ns = False, 0
    if sampler is not None:
        try:
            sampler.ticker.close()
        except Exception:
            pass  # not in the main thread: a handler nobody signals is left


def on_import(_name, _module):
    """Start early where the environment asks for it, so that start-up is seen too."""
    if not _is_fork_server():
        _poll()


def _is_fork_server():
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename.endswith("multiprocessing/forkserver.py"):
            return True
        frame = frame.f_back
    return False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
