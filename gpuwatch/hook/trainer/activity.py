"""What each thread of the trainer did since its last batch event: forward, backward, optimizer, other, collecting.

Nothing hooks modules: a stretch is named by what ends it. What ran up to a backward is forward, what ran up to an
optimizer step or up to the next ask for a batch is other. The stretches of one thread never overlap. While steps are
only timed (`pace`) nothing but collections is noted.
"""

import threading
import time

from ..event_log import counters, spool
from .step_sampling import pace

now_ns = time.monotonic_ns
_thread_cpu_ns = time.thread_time_ns
_PAUSE_NS = 1_000_000
# What a batch of a loader sets `loose` to: no number of optimizer steps makes this a positive one; and where there was a
# loop without a loader before, some do.
NEVER, LEFT = -(1 << 62), -8


class Activity:
    """One thread's account. `mark`: when its current stretch began; times in ns. `loose`: optimizer steps since its last
    loader came to its end, far below 0 while one is iterated; `loop`: its loop without a loader."""

    __slots__ = (
        "mark", "forward", "backward", "backward_n", "optimizer", "optimizer_n", "other", "gc", "gc_n",
        "in_backward", "in_optimizer", "cpu", "cpu_at", "own", "iterator", "delay_at", "delay", "gpu", "stretch",
        "loose", "loop", "__weakref__",
    )  # fmt: skip

    def __init__(self):
        self.iterator = None
        self.own = self.cpu_at = self.delay_at = 0
        self.cpu = _thread_cpu_ns()
        self.delay = self.gpu = self.loop = None
        self.loose = 0
        self.restart(now_ns())

    def restart(self, at_ns):
        """Begin a new account at `at_ns`."""
        self.mark = at_ns
        self.forward = self.backward = self.backward_n = self.optimizer = self.optimizer_n = self.other = 0
        self.gc = self.gc_n = self.in_backward = self.in_optimizer = 0
        self.stretch = pace.stretch

    def resume(self, at_ns):
        """Begin a new account after steps that were only timed: what they told of collections is still to be written."""
        gc_ns, gc_n = self.gc, self.gc_n
        self.restart(at_ns)
        self.gc, self.gc_n = gc_ns, gc_n

    def is_whole(self):
        """Tell whether everything since this account began was noted: no steps were only timed."""
        return self.stretch == pace.stretch and not pace.light

    def backward_begins(self):
        """Name the stretch up to here forward; a backward inside a backward is part of it."""
        if not self.in_backward:
            at = now_ns()
            self.forward += at - self.mark
            self.mark = at
        self.in_backward += 1

    def backward_ends(self):
        """Name the stretch up to here backward."""
        if self.in_backward > 1:
            self.in_backward -= 1
        elif self.in_backward:
            self.in_backward = 0
            at = now_ns()
            self.backward += at - self.mark
            self.backward_n += 1
            self.mark = at

    def optimizer_begins(self):
        """Name the stretch up to here other, or optimizer inside another optimizer's step."""
        at = now_ns()
        if self.in_optimizer:
            self.optimizer += at - self.mark
        else:
            self.other += at - self.mark
        self.mark = at
        self.in_optimizer += 1

    def optimizer_ends(self):
        """Name the stretch up to here optimizer: a closure's forward and backward have taken theirs already."""
        at = now_ns()
        self.optimizer += at - self.mark
        self.mark = at
        if self.in_optimizer <= 1:
            self.optimizer_n += 1
        self.in_optimizer = max(0, self.in_optimizer - 1)

    def columns(self, until_ns):
        """Return the values of columns.ACTIVITY with the open stretch closed at `until_ns` as other."""
        if not self.is_whole():
            return (None,) * 6 + (self.gc, self.gc_n)
        other = self.other + max(0, until_ns - self.mark)
        return (
            self.forward,
            self.backward,
            self.backward_n,
            self.optimizer,
            self.optimizer_n,
            other,
            self.gc,
            self.gc_n,
        )

    def trained(self):
        """Tell whether a backward or an optimizer step happened in this account."""
        return bool(self.backward_n or self.optimizer_n)


class _Threads(threading.local):
    def __init__(self):
        self.activity = Activity()


_THREADS = _Threads()


def current():
    """Return the calling thread's account."""
    return _THREADS.activity


def write_tail(account, iterator):
    """Write what the thread did since its last batch event, and begin a new account."""
    at = now_ns()
    spool.event("tail", at, iterator, *account.columns(at))
    account.restart(at)


def _collected(took_ns, threads=_THREADS, pace=pace):
    account = threads.activity
    account.gc += took_ns
    account.gc_n += 1
    if took_ns > _PAUSE_NS:
        pace.until_ns = pace.rest_ns = 0  # the step that it stopped is to be told by itself


def watch_collector():
    """Account for the garbage collector's stops, in the thread that it stops."""
    counters.watch_collector(_collected)


stop_watching_collector = counters.stop_watching_collector


class ThreadMeters:
    """The calling thread's CPU time and the time it was runnable without a core.

    Both are system calls, so both are read now and then: a reading covers the time since the last one.
    """

    cpu_every_ns = 4_000_000
    delay_every_ns = 50_000_000

    def read(self, account, at_ns):
        """Return (cpu_ns, delay_ns) since their last readings; None where it is not their turn or not told."""
        if at_ns - account.cpu_at < self.cpu_every_ns:
            return None, None
        account.cpu_at = at_ns
        before, account.cpu = account.cpu, _thread_cpu_ns()
        cpu_ns = account.cpu - before
        return cpu_ns, self._delay(account, at_ns) if at_ns - account.delay_at >= self.delay_every_ns else None

    def _delay(self, account, at_ns):
        account.delay_at = at_ns
        before, account.delay = account.delay, counters.thread_delay_ns()
        return None if before is None or account.delay is None else account.delay - before
