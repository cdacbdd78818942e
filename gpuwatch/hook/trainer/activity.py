"""What each thread of the trainer did since its last batch event: forward, backward, optimizer, other, garbage collection.

Modules are never hooked: a segment of the thread's time is named by what ends it. What ran up to a backward is forward;
what ran up to an optimizer step, or up to the next request for a batch, is other. Segments of one thread never overlap.
While steps leave timestamps only (`step_sampling`), nothing but garbage collections is recorded.
"""

from __future__ import annotations

import threading
import time

from ..event_log import counters, spool
from ..process import process
from ..process_state import reading
from ..step_mode import mode
from .step_sampling import sampling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .gpu_wait import Meter
    from .step_sampling import SamplingState

now_ns = time.monotonic_ns
_thread_cpu_ns = time.thread_time_ns
# A garbage collection this long has the step that it stopped sampled in full.
_LONG_COLLECTION_NS = 1_000_000
# Both meters are system calls, so both are read only so often: a reading covers the time since the last one.
CPU_EVERY_NS = 4_000_000
_DELAY_EVERY_NS = 50_000_000
# What a batch of a loader sets `steps_without_loader` to. No number of optimizer steps makes the first one positive; the
# second, where there was a loop without a loader before, takes a few: the loader may have been left before its end.
LOADER_ACTIVE, LOADER_PERHAPS_LEFT = -(1 << 62), -8


class Activity:
    """What one thread did since its last batch event.

    `segment_ns`: when its current segment began; `iterator`: the one whose batch came last; `burst`: the sampling burst in
    which this account began; `steps_without_loader`: optimizer steps since its last loader was exhausted, far below 0
    while one is iterated; `loop`: its loop without a loader; `own_cost_ns`: what the hook took of this step; `batches`: how
    many loaders' batches were recorded in full; `in_feed`: it is in a request of a feed (`pipelines`); `exchange_ns`: in calls
    that wait for other ranks (`exchanges`), `in_exchange`: in one of them now.
    """

    __slots__ = (
        "__weakref__",
        "backward_depth",
        "backward_n",
        "backward_ns",
        "batches",
        "burst",
        "cpu_ns",
        "cpu_read_ns",
        "delay_ns",
        "delay_read_ns",
        "exchange_ns",
        "forward_ns",
        "gc_n",
        "gc_ns",
        "gpu",
        "in_exchange",
        "in_feed",
        "iterator",
        "loop",
        "optimizer_depth",
        "optimizer_n",
        "optimizer_ns",
        "other_ns",
        "own_cost_ns",
        "segment_ns",
        "steps_without_loader",
    )

    def __init__(self) -> None:
        self.iterator: int | None = None
        self.own_cost_ns = self.cpu_read_ns = self.delay_read_ns = 0
        self.cpu_ns = _thread_cpu_ns()
        self.delay_ns: int | None = None
        self.gpu: Meter | None = None
        self.loop: Any = None
        self.batches, self.in_feed, self.in_exchange = 0, False, False
        self.steps_without_loader = 0
        self.restart(now_ns())

    def restart(self, at_ns: int) -> None:
        """Begin a new account at `at_ns`."""
        self.segment_ns = at_ns
        self.forward_ns = self.backward_ns = self.backward_n = self.optimizer_ns = self.optimizer_n = self.other_ns = 0
        self.gc_ns = self.gc_n = self.backward_depth = self.optimizer_depth = self.exchange_ns = 0
        self.burst = sampling.burst

    def resume(self, at_ns: int) -> None:
        """Begin a new account after steps with timestamps only: their garbage collections are still to be written."""
        gc_ns, gc_n = self.gc_ns, self.gc_n
        self.restart(at_ns)
        self.gc_ns, self.gc_n = gc_ns, gc_n

    def leave_body(self, at_ns: int) -> None:
        """Name the segment up to here other: the loop asks what feeds it."""
        self.other_ns += at_ns - self.segment_ns
        self.segment_ns = at_ns

    def backward_begins(self) -> None:
        """Name the segment up to here forward; a backward inside a backward is part of it."""
        if not self.backward_depth:
            at_ns = now_ns()
            self.forward_ns += at_ns - self.segment_ns
            self.segment_ns = at_ns
        self.backward_depth += 1

    def backward_ends(self) -> None:
        """Name the segment up to here backward."""
        if self.backward_depth > 1:
            self.backward_depth -= 1
        elif self.backward_depth:
            self.backward_depth = 0
            at_ns = now_ns()
            self.backward_ns += at_ns - self.segment_ns
            self.backward_n += 1
            self.segment_ns = at_ns

    def optimizer_begins(self) -> None:
        """Name the segment up to here other, or optimizer inside another optimizer's step."""
        at_ns = now_ns()
        if self.optimizer_depth:
            self.optimizer_ns += at_ns - self.segment_ns
        else:
            self.other_ns += at_ns - self.segment_ns
        self.segment_ns = at_ns
        self.optimizer_depth += 1

    def optimizer_ends(self) -> None:
        """Name the segment up to here optimizer: a closure's forward and backward are counted already."""
        at_ns = now_ns()
        self.optimizer_ns += at_ns - self.segment_ns
        self.segment_ns = at_ns
        if self.optimizer_depth > 1:
            self.optimizer_depth -= 1
        else:
            self.optimizer_n += 1
            self.optimizer_depth = 0

    def columns(self, until_ns: int) -> tuple[int | None, ...]:
        """Return the values of columns.ACTIVITY, with the open segment closed at `until_ns` as other; only those of the
        collector where a step since this account began left timestamps only."""
        if self.burst != sampling.burst or mode.timestamps_only:
            return None, None, None, None, None, None, self.gc_ns, self.gc_n
        open_ns = until_ns - self.segment_ns
        return (
            self.forward_ns, self.backward_ns, self.backward_n, self.optimizer_ns, self.optimizer_n,
            self.other_ns + open_ns if open_ns > 0 else self.other_ns, self.gc_ns, self.gc_n,
        )  # fmt: skip

    def trained(self) -> bool:
        """Return whether a backward or an optimizer step happened in this account."""
        return bool(self.backward_n or self.optimizer_n)

    def read_meters(self, at_ns: int) -> tuple[int | None, int | None]:
        """Return this thread's CPU time, and its time runnable without a core, since the last reading of each; None where
        it is too early for the next."""
        if at_ns - self.cpu_read_ns < CPU_EVERY_NS:
            return None, None
        if at_ns >= reading.schedule.due_ns:
            reading.read(at_ns)
        self.cpu_read_ns = at_ns
        before_ns, self.cpu_ns = self.cpu_ns, _thread_cpu_ns()
        return self.cpu_ns - before_ns, self._delay(at_ns) if at_ns - self.delay_read_ns >= _DELAY_EVERY_NS else None

    def _delay(self, at_ns: int) -> int | None:
        self.delay_read_ns = at_ns
        before_ns, self.delay_ns = self.delay_ns, counters.thread_delay_ns()
        return None if before_ns is None or self.delay_ns is None else self.delay_ns - before_ns


class Threads(threading.local):
    """The account of each thread."""

    def __init__(self) -> None:
        self.activity = Activity()

    def after_fork(self) -> None:
        """Begin a new account: what the thread did before the fork is the parent's."""
        self.activity = Activity()


threads = process.own(Threads())


def current() -> Activity:
    """Return the calling thread's account."""
    return threads.activity


def write_tail(account: Activity, iterator: int | None) -> None:
    """Write what the thread did since its last batch event, and begin a new account."""
    at_ns = now_ns()
    spool.event("tail", at_ns, iterator, *account.columns(at_ns))
    account.restart(at_ns)


# Both names are bound here, since the collector still runs when the interpreter takes its modules apart.
def _collected(took_ns: int, threads: Threads = threads, sampling: SamplingState = sampling) -> None:
    account = threads.activity
    account.gc_ns += took_ns
    account.gc_n += 1
    if took_ns > _LONG_COLLECTION_NS:
        sampling.sample_next_fully()


def watch_collector() -> None:
    """Account for garbage collections from now on, in the thread that each stops."""
    counters.watch_collector(_collected)
