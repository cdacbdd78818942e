"""Counts, by the user's line, the ticks of a timer that interrupts this process's main thread.

Ticks are due at moments that nothing of the training's shifts: one that a long C call has delayed counts for all that
were due meanwhile, and the next may follow at once. Each tick notes whether the trainer was starved, whether it waited
for this very worker (read from a small shared file), and whether the thread was blocked: neither on a core nor waiting
for one for half of the millisecond after the tick (of a late tick: half of the time since the last one).
"""

from __future__ import annotations

import os
import time

from ..event_log import counters, spool
from ..fetch_in_progress import here
from ..jitter import Jitter
from ..source_code import current_line
from . import shared_flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    import mmap
    from types import FrameType

    # activity, file, line, function, callee
    Key = tuple[str, str, int, str, str | None]

_now = time.monotonic_ns
_thread_cpu = time.thread_time_ns
_PERIOD_NS = 10_000_000
_PROBE_NS = 1_000_000
_LEAST_NS = 50_000
_MOST_LATE_NS = 10_000_000_000
_FLUSH_NS = 2_000_000_000


class State:
    """What the sampler of this process knows of the process; written by the hooks, read by the tick."""

    __slots__ = ("activity", "failed", "next_poll_ns", "sampler", "trainer_pid", "worker")

    def __init__(self) -> None:
        self.sampler: LineSampler | None = None  # the one at work, if any
        self.next_poll_ns = 0
        self.activity = "startup"
        self.worker = -1
        self.trainer_pid: int | None = None
        self.failed = False

    def after_fork(self) -> None:
        """Go on without a sampler until one is asked for again."""
        # The timer stayed with the parent; its handler, and the parent's counts, came along.
        sampler, self.sampler = self.sampler, None
        self.failed, self.next_poll_ns = False, 0
        if sampler is not None:
            try:
                sampler.ticker.close()
            except Exception:
                pass  # not in the main thread: a handler is left that is never called


class LineSampler:
    """Counts ticks by line since the last flush."""

    def __init__(self, state: State) -> None:
        from .ticker import Ticker

        self.state = state
        # By line: ticks, and of them those that were starved, awaited, blocked.
        self.counts: dict[Key, list[int]] = {}
        self.shared: mmap.mmap | None = None
        # The counts and number of the last ticks, until it is known whether the thread was blocked.
        self.probed: tuple[list[int], int] | None = None
        self.wall_ns, self.cpu_ns, self.delay_ns = _clocks()
        self.flushed_ns = self.wall_ns
        self.jitter = Jitter(os.getpid())
        self.due_ns = self.wall_ns + _PERIOD_NS
        self.ticker = Ticker(self.tick)
        self.ticker.arm(_PERIOD_NS)

    def tick(self, _signal: int, frame: FrameType | None) -> None:
        """Count the line that the timer's signal interrupted, and arm the timer again."""
        try:
            now_ns, probed = _now(), self.probed
            if probed is not None:
                self._probe(*probed)
            if frame is not None and (probed is None or now_ns >= self.due_ns):
                self._count(frame)
            next_ns = self.due_ns - _now()
            self.ticker.arm(max(next_ns if self.probed is None else min(next_ns, _PROBE_NS), _LEAST_NS))
        except Exception as error:  # whatever it is must not reach the code that was interrupted
            spool.error("line sampler", error)

    def _probe(self, counted: list[int], ticks: int) -> None:
        self.probed = None
        wall_ns, cpu_ns, delay_ns = _clocks()
        # Not a share of the time: on a busy machine the tick itself waits for a core after a blocked millisecond.
        if wall_ns - self.wall_ns - (cpu_ns - self.cpu_ns) - (delay_ns - self.delay_ns) > _PROBE_NS // 2:
            counted[3] += ticks

    def _due(self, now_ns: int) -> tuple[int, int]:
        """Return how many ticks were due by now, and how late the first of them is."""
        late_ns = now_ns - self.due_ns
        lost = (
            late_ns // _MOST_LATE_NS
        ) * _MOST_LATE_NS  # hours in which the process was stopped are not drawn one by one
        self.due_ns += lost
        ticks = lost // _PERIOD_NS
        while self.due_ns <= now_ns:
            ticks += 1
            # 5 to 15 ms apart, so that no period of the training's hides between ticks.
            self.due_ns += _PERIOD_NS // 2 + self.jitter.below(_PERIOD_NS)
        return max(ticks, 1), late_ns

    def _count(self, frame: FrameType) -> None:
        wall_ns, cpu_ns, delay_ns = _clocks()
        passed, ran, delay = wall_ns - self.wall_ns, cpu_ns - self.cpu_ns, delay_ns - self.delay_ns
        self.wall_ns, self.cpu_ns, self.delay_ns = wall_ns, cpu_ns, delay_ns
        if wall_ns - self.flushed_ns > _FLUSH_NS:
            self.flush(wall_ns)
        ticks, late_ns = self._due(wall_ns)
        starved, awaited = self._starved()
        counted = self.counts.setdefault(self._key(frame), [0, 0, 0, 0])
        counted[0] += ticks
        counted[1] += ticks if starved else 0
        counted[2] += ticks if awaited else 0
        if late_ns < _PROBE_NS or 2 * delay > late_ns:
            self.probed = counted, ticks  # in time, or late for want of a core
        elif 2 * (ran + delay) < passed:
            counted[3] += ticks  # late because of a call that delayed the tick: the time covered is that call's

    def _key(self, frame: FrameType) -> Key:
        """Return the activity (also in the trainer a fetch, without workers) and the line."""
        line, importing = current_line.line_of(frame, self.state.worker >= 0)
        activity = "fetch" if here.busy else self.state.activity
        return ("importing" if importing and activity == "startup" else activity, *line)

    def _starved(self) -> tuple[bool, bool]:
        """Return whether the trainer waits for a batch, and whether this process owes it."""
        if self.state.worker < 0:
            return self.state.activity == "wait", False  # in its own wait the trainer is always starved
        if self.shared is None:
            return False, False
        starved, pid = shared_flag.read(self.shared)
        return starved, starved and pid == self.ticker.pid

    def flush(self, at_ns: int) -> None:
        """Write what was counted."""
        worker = self.state.worker
        counts, self.counts, self.flushed_ns = self.counts, {}, at_ns
        for (activity, file, line, function, callee), (ticks, starved, awaited, blocked) in counts.items():
            spool.event("line", at_ns, worker, file, line, function, activity, ticks, starved, awaited, blocked, callee)
        if self.shared is None and self.state.trainer_pid is not None:
            self.shared = shared_flag.of_trainer(self.state.trainer_pid)

    def close(self) -> None:
        """Stop; what is pending is written."""
        self.ticker.close()
        self.flush(_now())


def _clocks() -> tuple[int, int, int]:
    """Return the time, and of this thread its CPU time and its time runnable without a core."""
    return _now(), _thread_cpu(), counters.thread_delay_ns() or 0
