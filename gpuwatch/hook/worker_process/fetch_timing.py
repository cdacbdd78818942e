"""The measures of one fetch: in full around it, or no more than its times."""

from __future__ import annotations

import time

from ..event_log import counters
from ..fetch_in_progress import here
from ..operations import timing
from ..operations.instruments import instruments
from ..process import TYPE_CHECKING
from . import collate
from .fetch_event import hand_over
from .samples import Samples
from .state import worker

if TYPE_CHECKING:
    from typing import Any

    from .state import Row

_now = time.monotonic_ns
SHORT_NS = 300_000
_FULL_EVERY_NS = 20_000_000
_UNKNOWN = (None, None)


class Fetch:
    """One fetch, measured in full. `index`: what the fetcher is to be given."""

    __slots__ = (
        "collate", "cpu_ns", "delay_ns", "full", "gc_ns", "index", "io", "measured", "number", "process_ns", "samples", "t0",
    )  # fmt: skip

    def __init__(self, fetcher: Any, index: Any) -> None:
        self.collate = collate.attach(fetcher)
        whole = self.collate.batched or type(index) is not list or not fetcher.auto_collation
        self.samples = None if whole else Samples(index)
        self.index = index if whole else self.samples
        self.number = worker.index if worker.number >= 0 else here.number
        here.collate_ns = 0
        here.measuring = True
        self.measured = instruments.enter()
        if self.measured:
            timing.begin()
        self.full = _is_due()
        self.io = counters.process_io() if self.full else _UNKNOWN
        self.gc_ns = counters.collected_ns()
        self.t0 = _now()
        self.delay_ns = counters.thread_delay_ns() if self.full else None
        self.process_ns = time.process_time_ns()
        self.cpu_ns = time.thread_time_ns()

    def end(self) -> Row:
        """Take the second reading; return the `fetch` event's columns."""
        cpu_ns = time.thread_time_ns() - self.cpu_ns
        process_ns = time.process_time_ns() - self.process_ns
        delay_ns = _difference(counters.thread_delay_ns(), self.delay_ns) if self.full else None
        t1 = _now()
        gc_ns = counters.collected_ns() - self.gc_ns
        io = counters.process_io() if self.full else _UNKNOWN
        worker.short = worker.short + 1 if t1 - self.t0 < SHORT_NS else 0
        samples = self.samples
        count = samples.taken if samples is not None else _length(self.index)
        slowest_ns = samples.slowest_ns if samples is not None else None
        return [
            worker.number, self.number, worker.idle_t0, worker.got_ns or self.t0, t1, cpu_ns, process_ns, delay_ns,
            here.collate_ns, gc_ns, count, _difference(io[0], self.io[0]), _difference(io[1], self.io[1]), slowest_ns,
            int(self.collate.batched), None,
        ]  # fmt: skip

    def close(self, row: Row | None) -> None:
        """Stop measuring operations, and hand the row over; without a row only stop."""
        here.measuring = False
        operations = None
        if self.measured:
            operations = timing.end()
            instruments.leave()
        if row is not None:
            row[-1] = operations
            hand_over(row)


def _is_due() -> bool:
    # In the trainer every measure is a part of the step, and /proc costs most.
    if worker.number >= 0:
        return True
    now_ns = _now()
    if now_ns < worker.full_ns:
        return False
    worker.full_ns = now_ns + _FULL_EVERY_NS
    return True


def times_only(begun_ns: int, ended_ns: int, cpu_ns: int) -> Row:
    """Return the columns of a `fetch` event of which nothing but the times was measured."""
    return [
        worker.number, worker.index, worker.idle_t0, worker.got_ns or begun_ns, ended_ns, cpu_ns,
        None, None, None, None, None, None, None, None, None, None,
    ]  # fmt: skip


def _difference(after: int | None, before: int | None) -> int | None:
    return None if after is None or before is None else after - before


def _length(index: Any) -> int:
    try:
        return len(index) if not isinstance(index, (str, bytes)) else 1
    except TypeError:
        return 1
