"""What feeds a loop and is none of torch's loaders: another library's pipeline, a wrapper round a loader, an iterator that
the user has named.

A feed leaves the same events as a loader's iterator. One that asks a loader of torch's for its batches is a wrapper: that
loader's events tell the queue, the workers and the step's parts, and the wrapper leaves only when it was asked and when it
gave its batch (`steps` events), in which the loader's own requests lie.
"""

from __future__ import annotations

import threading

from ..event_log import spool
from ..fetch_in_progress import here
from ..process import process
from ..source_code import callers
from ..trainer import activity, delivery
from ..trainer.activity import now_ns, threads
from ..trainer.cells import cells
from ..trainer.iterators import Record
from ..trainer.process_facts import facts
from ..trainer.step_sampling import TimedSteps, sampling
from ..worker_process.state import worker
from . import settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..source_code.callers import Place
    from ..trainer.activity import Activity

# What hands over so many things in so short a time each, in a thread that does not train, hands over no batches.
_MANY, _SHORT_NS = 5_000, 500_000
_DEEPEST = 60


class Feed(Record):
    """One iterator, or one object that is called for each batch; to `delivery` it is a loader's iterator and its record.

    `around`: it asks a loader of torch's, and `pairs` takes the times of its requests. `dead`: it hands over no batches."""

    __slots__ = ("_num_yielded", "around", "began_ns", "dead", "pairs")

    def __init__(self, source: Any, library: str, code: Place | None, at_ns: int) -> None:
        self.pairs: TimedSteps | None = None
        super().__init__(source)
        self.under_construction = self.around = self.dead = False
        self.open = True
        self.began_ns, self._num_yielded = at_ns, 0
        facts.write()
        cells.write_new()
        activity.watch_collector()
        attributes = settings.attributes(source, library, code)
        spool.event(
            "iterator",
            self.number,
            self.loader,
            at_ns,
            at_ns,
            self.epoch,
            attributes,
            [],
            *self.place,
            None,
            None,
            None,
        )

    def requested(self) -> delivery.Request:
        """Note that a batch is requested."""
        return delivery.requested(self, self)

    def returned(self, request: delivery.Request, batches: int, ending: BaseException | None) -> None:
        """Write a request that was sampled in full; `batches`: how many loaders had given in this thread before it."""
        at_ns = now_ns()
        account = request[0]
        if account.batches != batches:
            self._become_wrapper()
            if ending is None:
                self.passed(account, request[2], at_ns)
        else:
            self._num_yielded += ending is None
            delivery.delivered(self, self, request, at_ns, ending)
            self._look(account, at_ns)

    def timed(self, requested_ns: int, delivered_ns: int, ending: BaseException | None) -> None:
        """Take a request that left timestamps only; see `delivery.timed`."""
        steps = self.timestamps
        self._num_yielded += ending is None
        if ending is None and steps is not None and delivered_ns < sampling.check_at_ns:
            steps += (requested_ns, delivered_ns)
        else:
            delivery.timed(self, self, requested_ns, delivered_ns, ending)
        if self._num_yielded == _MANY:
            self._look(threads.activity, delivered_ns)

    def _look(self, account: Activity, at_ns: int) -> None:
        """Leave alone what is no loop's input."""
        if self._num_yielded == _MANY:
            self.dead = at_ns - self.began_ns < _MANY * _SHORT_NS and not account.trained()

    def passed(self, account: Activity, requested_ns: int, delivered_ns: int) -> None:
        """Take a request of a wrapper; what it did after the loader's is no part of the step's forward."""
        if self.pairs is not None:
            self.pairs.timestamps += (requested_ns, delivered_ns)
        if account.segment_ns < delivered_ns:
            account.segment_ns = delivered_ns

    def _become_wrapper(self) -> None:
        self.around = True
        self.pairs = TimedSteps(self, self._num_yielded)
        spool.gather.append(self.pairs)

    def close(self) -> None:
        """Write what is left of a feed that is exhausted, or was let go of."""
        if self.pairs is not None and self.pid == process.pid:
            spool.flush()
            spool.gather.remove(self.pairs)
            self.pairs = None
        super().close()


def begin(source: Any, library: str, code: Place | None) -> Feed | None:
    """Return the feed that hands batches over from here on; None where that is no training loop's business: in a worker,
    inside another request, in a thread that only hands on to another one, below no line of the user's or their program's."""
    try:
        account = threads.activity
        if (
            process.idle
            or worker.number >= 0
            or here.busy
            or account.in_feed
            or _inside_loader()
            or not _may_train(account)
        ):
            return None
        if not callers.is_called_by_user():
            return None
        return Feed(source, library, code, now_ns())
    except Exception as error:
        spool.error("feed", error)
        return None


def _may_train(account: Activity) -> bool:
    return threading.current_thread() is threading.main_thread() or account.trained() or account.loop is not None


def _inside_loader() -> bool:
    """Say whether a loader of torch's asks: then it is its dataset that iterates."""
    return callers.is_below("torch/utils/data/dataloader.py", "__next__", _DEEPEST)
