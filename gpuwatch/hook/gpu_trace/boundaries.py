"""The boundaries between the steps of the training: where its loader is asked for a batch, or, in a loop without one,
where an optimizer step has ended.

Requests of loops that do not train, and those that a dataset makes while its own batch is made, are no boundaries.
"""

from __future__ import annotations

from ..attributes import RECORD
from ..process import process
from ..step_mode import mode
from ..trainer import activity, loop_without_loader
from .importlib_bootstrap import wrap_next
from .window import FORK, LOOP, OTHER_LOOP, windows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..trainer.activity import Activity

# A loop trains once this many of its steps were seen to; or, where another loader is asked for its batch in between, so many
# and nearly all of its requests came after one that trained. What an evaluation asks for first comes after one, too.
# A step that is compiled as a whole tells of no backward, nor does an inference: so many requests while no other loop trains.
_SEEN, _SEEN_BESIDE, _NEARLY_ALL, _UNSEEN = 2, 3, 0.9, 30
# So many requests of other loops in a row: the training's own has been left.
_OTHERS = 8


class Seen:
    """What was seen of a loader: its requests, those of which the step before reported what it did, those after a step that
    trained, and those of them in which the batch before was its own."""

    __slots__ = ("after_own", "after_training", "is_training", "requests", "told")

    def __init__(self) -> None:
        self.requests = self.told = self.after_training = self.after_own = 0
        self.is_training = False

    def count(self, has_trained: bool, is_own: bool) -> None:
        """Count a request whose step reported what it did; before the first one there was none."""
        self.told += self.requests > 0
        self.after_training += has_trained
        self.after_own += has_trained and is_own
        beside = self.after_training >= _SEEN_BESIDE and self.after_training >= _NEARLY_ALL * self.told
        self.is_training = self.after_own >= _SEEN or beside


class Boundaries:
    """What is known of the loops. `account`: of the thread that trains; `number`: its loop; `loaders`: what was seen of
    each loader; `others`: requests of other loops since the last of its own; `waiting`: it waits for a batch."""

    __slots__ = ("account", "loaders", "number", "others", "waiting")

    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """Begin again; the windows of a forked process are over."""
        self.account: Activity | None = None
        self.number: int | None = None
        self.loaders: dict[int, Seen] = {}
        self.others = 0
        self.waiting = False

    def requested(self, iterator: Any) -> bool:
        """Look at a request; return whether it is one that the training's thread makes itself."""
        if windows.over:
            return False
        try:
            return self._requested(iterator)
        except Exception as error:
            windows.give_up(error)
            return False

    def _requested(self, iterator: Any) -> bool:
        record = iterator._gpuwatch_record  # attributes.RECORD
        account = activity.threads.activity
        if record is None or record.under_construction or (account is self.account and self.waiting):
            return False
        if self._trains(record.loader, record.number, account):
            if self.number != record.number:
                self._enter(record.number)
                windows.plan.queued(_queued(iterator))
            else:
                self._step(record.number)
        elif account is self.account:
            self._other()
        self.waiting = account is self.account
        return self.waiting

    def answered(self) -> None:
        """Note that the request was answered."""
        self.waiting = False

    def ended(self, iterator: Any) -> None:
        """Close the window of a loop that has ended."""
        record = getattr(iterator, RECORD, None)
        if record is not None and record.number == self.number:
            windows.plan.pause()
            windows.close(LOOP)

    def optimized(self, account: Activity) -> None:
        """Look at the end of an optimizer step without a loader, which may be the end of a step of its own loop."""
        if windows.over:
            return
        try:
            self._optimized(account)
        except Exception as error:
            windows.give_up(error)

    def _optimized(self, account: Activity) -> None:
        loop = account.loop
        if loop is None or account.iterator != loop.number or account.steps_without_loader <= 0:
            return
        self.account = self.account or account
        if account is self.account:
            if self.number != loop.number:
                self._enter(loop.number)
            else:
                self._step(loop.number)

    def _trains(self, loader: int, number: int, account: Activity) -> bool:
        """Say whether this is a request of a loop that trains, in the thread that does."""
        seen = self.loaders.get(loader)
        if seen is None:
            seen = self.loaders[loader] = Seen()
        if not seen.is_training:
            if not mode.timestamps_only:
                seen.count(account.trained(), account.iterator == number)
            seen.requests += 1
            if seen.requests >= _UNSEEN and self.number is None and not seen.after_training:
                seen.is_training = True
        if not seen.is_training:
            return False
        self.account = self.account or account
        return account is self.account

    def _enter(self, number: int) -> None:
        """Go over to another loop, which is the next epoch as a rule."""
        windows.close(LOOP)
        windows.plan.pause()
        self.number, self.others = number, 0

    def _step(self, number: int) -> None:
        self.others = 0
        windows.step(number, activity.now_ns())

    def _other(self) -> None:
        self.others += 1
        if self.others == _OTHERS:
            windows.plan.pause()
            windows.close(OTHER_LOOP)


boundaries = process.own(Boundaries())


def _queued(iterator: Any) -> int:
    """Return how many batches workers make ahead."""
    return int(getattr(iterator, "_num_workers", 0) or 0) * int(getattr(iterator, "_prefetch_factor", 0) or 0)


def _forks() -> None:
    """Close the window before a fork: the child would go on recording."""
    windows.close(FORK)


def watch_loaders(module: Any) -> None:
    """Look at each request of torch's loaders."""
    base = module._BaseDataLoaderIter
    base.__next__ = wrap_next(base.__next__, boundaries.requested, boundaries.answered, boundaries.ended)
    process.before.append(_forks)


def watch_optimizers() -> None:
    """Look at each optimizer step without a loader, after the hook has accounted for it. (A hook of torch's would be traced by
    torch.compile, in which only those of `trainer/phases` are nothing.)"""
    original = loop_without_loader.step_ended

    def step_ended(account: Activity) -> None:
        original(account)
        boundaries.optimized(account)

    loop_without_loader.step_ended = step_ended
