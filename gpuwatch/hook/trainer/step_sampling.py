"""Which steps are sampled in full, and which leave their two timestamps only.

To record what a step consists of (forward, backward, optimizer, the queue, CUDA events) costs some tens of microseconds,
since the caches are full of the training's own data. Where that is more than 0.5 % of a step, bursts of a few fully
sampled steps alternate with some 400 ms in which each step leaves timestamps only: when its batch was requested, and
when it was delivered. The time between two bursts is random, so that they cannot follow a rhythm of the training. Ranks of one training
begin theirs in the same moments (`common_moments`), so that their steps can be compared.

At any time one thread at most leaves timestamps only, and that thread alone ends it, unless it no longer requests
batches: where several threads train at a time, all of their steps are sampled in full.
"""

from __future__ import annotations

import os
import weakref

from ..event_log import spool
from ..jitter import Jitter
from ..process import process
from ..step_mode import mode
from . import common_moments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    class Account(Protocol):
        """What one thread did since its last batch (`activity.Activity`)."""

        @property
        def loop(self) -> object | None: ...

    class Iterator(Protocol):
        """Whatever numbers its steps: a loader's iterator, or a loop without a loader."""

        number: int
        timestamps: list[int] | None


# Sampled in full: the first steps of each iterator, and of each later burst.
_FIRST_BURST = 16
_BURST = 5
# A step this many times as long as sampling it costs is always sampled in full.
_LONG_STEP = 200
# Bursts are this many times as far apart as sampling one step costs: they take 0.125 % of the time.
_BURST_INTERVAL = _BURST * 800
_MAX_COST_NS = 200_000
_WRITE_EVERY_NS = 40_000_000
_OVERDUE_NS = 1_000_000_000
_STEPS = '["steps",%d,%d,%s]\n'


def _no_owner() -> None:
    return None


class TimedSteps:
    """Steps of one iterator that left timestamps only: request and delivery of each batch, one after the other."""

    __slots__ = ("index", "iterator", "record", "timestamps")

    def __init__(self, record: Iterator, index: int) -> None:
        self.iterator, self.index = record.number, index
        self.timestamps: list[int] = []
        self.record = weakref.ref(record)

    def take(self) -> tuple[str, tuple[Any, ...]] | None:
        """Return the steps that were not taken before as (template, values); None when there are none."""
        count = len(self.timestamps)
        if not count:
            return None
        timestamps, index = self.timestamps[:count], self.index
        del self.timestamps[:count]
        self.index += count // 2
        return _STEPS, (self.iterator, index, timestamps)

    def close(self) -> None:
        """Have the iterator's next step sampled in full."""
        record = self.record()
        if record is not None:
            record.timestamps = None


class SamplingState:
    """When the mode of sampling changes, and for which thread's steps.

    `burst`: the number of the newest one; `burst_at_ns`: when the next one is due, looked at from `check_at_ns` on.
    `owner`: a weak reference to the account of the thread whose steps these are; `loaders_only`: that thread has no loop
    without a loader. `is_rank`: there are other ranks. `on_mode_change`: called by the thread that changed the mode, to suspend what has nothing to record
    while steps leave timestamps only, and to put it back.
    """

    __slots__ = (
        "burst",
        "burst_at_ns",
        "burst_began_ns",
        "check_at_ns",
        "is_rank",
        "jitter",
        "loaders_only",
        "on_mode_change",
        "open_steps",
        "own_cost_ns",
        "owner",
        "steps_left",
        "steps_sampled",
        "write_every_ns",
    )

    def __init__(self) -> None:
        self.on_mode_change: list[Callable[[], None]] = []
        self.open_steps: list[TimedSteps] = []
        self.renew()

    def renew(self) -> None:
        """Begin with a first burst, for whichever thread comes first."""
        mode.timestamps_only = self.loaders_only = False
        self.burst = self.check_at_ns = self.burst_at_ns = 0
        self.steps_left = _FIRST_BURST
        self.steps_sampled = self.burst_began_ns = self.own_cost_ns = 0
        self.jitter = Jitter(os.getpid())
        self.is_rank = common_moments.is_one_of_several()
        self.write_every_ns = 0
        self.owner: Callable[[], Account | None] = _no_owner

    def after_fork(self) -> None:
        """Leave the steps that are not written yet to the parent, and begin again."""
        self._close_open_steps()
        self.renew()
        self.notify_mode_change()

    def sample_fully(self, account: Account, at_ns: int, steps: int = _FIRST_BURST) -> bool:
        """Sample at least `steps` steps of a thread in full from `at_ns` on; return whether that ends timestamps only.

        Another thread's steps that leave timestamps only are sampled in full from that thread's next one on.
        """
        was_timing = mode.timestamps_only
        if was_timing:
            if self.owner() not in (None, account) and at_ns - self.burst_at_ns < _OVERDUE_NS:
                self.check_at_ns = self.burst_at_ns = min(self.burst_at_ns, at_ns)
                return False
            spool.flush()
            self._close_open_steps()
            mode.timestamps_only = False
            self.burst += 1
            self.notify_mode_change()
        self._begin_burst(account, at_ns, steps)
        return was_timing

    def sample_next_fully(self) -> None:
        """Begin the next burst with the step that is under way."""
        self.check_at_ns = self.burst_at_ns = 0

    def keep_timing(self, account: Account, at_ns: int) -> bool:
        """Return whether the next burst is not due yet; begin it if it is."""
        if at_ns >= self.burst_at_ns:
            self.sample_fully(account, at_ns, _BURST)
            return False
        self.check_at_ns = min(self.burst_at_ns, at_ns + _WRITE_EVERY_NS)
        return True

    def count_sampled_step(self, account: Account, at_ns: int, own_cost_ns: int) -> None:
        """Count a step sampled in full, which cost `own_cost_ns` where its batch was requested and delivered."""
        if self.owner() is not account:
            return self._begin_burst(account, at_ns, _FIRST_BURST)
        self.steps_sampled += 1
        self.own_cost_ns += own_cost_ns
        self.steps_left -= 1
        if self.steps_left <= 0 and not mode.always_full:
            self._end_burst(account, at_ns)
        return None

    def start_timing(self, account: Account, at_ns: int, record: Iterator, index: int) -> list[int] | None:
        """Return the list that takes the timestamps of a record's steps, of which the next batch is number `index`; None
        where another thread leaves timestamps only."""
        if self.owner() is not account:
            self.sample_fully(account, at_ns)
            return None
        self.loaders_only = account.loop is None
        steps = TimedSteps(record, index)
        self.open_steps.append(steps)
        spool.gather.append(steps)
        return steps.timestamps

    def notify_mode_change(self) -> None:
        """Have the patches follow the mode."""
        for follow in self.on_mode_change:
            follow()

    def _begin_burst(self, account: Account, at_ns: int, steps: int) -> None:
        if self.owner() is not account:
            self.owner = weakref.ref(account)
        self.steps_left, self.steps_sampled, self.own_cost_ns, self.burst_began_ns = steps, 0, 0, at_ns

    def _end_burst(self, account: Account, at_ns: int) -> None:
        """Go on with timestamps only, or with another burst where steps are long."""
        # The patches of the optimizer and of backward cost about what those of the loader do.
        cost_ns = min(2 * self.own_cost_ns // self.steps_sampled, _MAX_COST_NS)
        if at_ns - self.burst_began_ns >= _LONG_STEP * cost_ns * self.steps_sampled:
            self.write_every_ns = 0
            return self._begin_burst(account, at_ns, _BURST)
        self.write_every_ns = _WRITE_EVERY_NS
        self.burst_at_ns = self._next_burst(at_ns, _BURST_INTERVAL * cost_ns)
        self.check_at_ns = min(self.burst_at_ns, at_ns + _WRITE_EVERY_NS)
        mode.timestamps_only = True
        self.notify_mode_change()
        spool.flush(at_ns)
        return None

    def _next_burst(self, at_ns: int, pause_ns: int) -> int:
        """Return when to sample again: at random, or where ranks are to be compared when all of them do."""
        if self.is_rank:
            return common_moments.next_moment(at_ns, pause_ns)
        return at_ns + pause_ns * (768 + self.jitter.below(512)) // 1024

    def _close_open_steps(self) -> None:
        for steps in self.open_steps:
            steps.close()
            spool.gather.remove(steps)
        del self.open_steps[:]


sampling = process.own(SamplingState())
