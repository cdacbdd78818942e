"""One batch being made: wraps the two fetch methods of torch's DataLoader, in workers and (num_workers=0) in the trainer."""

from __future__ import annotations

import functools
import sys
import time

from ..attributes import is_measured, measures
from ..event_log import spool
from ..fetch_in_progress import here
from ..operations.instruments import instruments
from ..process import TYPE_CHECKING
from ..step_mode import mode
from . import fetch_timing, padding
from .fetch_timing import SHORT_NS, Fetch
from .state import worker

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .state import Row

    FetchMethod = Callable[[Any, Any], Any]

_now = time.monotonic_ns
_CLASSES = ("_MapDatasetFetcher", "_IterableDatasetFetcher")


def measured(original: FetchMethod) -> FetchMethod:
    """Return a fetch method that measures `original` and returns what it returns."""

    @functools.wraps(original)
    def fetch(self: Any, possibly_batched_index: Any) -> Any:
        if mode.timestamps_only and worker.number < 0:  # the trainer's steps are only timed
            return original(self, possibly_batched_index)
        if here.busy:  # a loader iterated inside a dataset: part of the outer fetch
            return original(self, possibly_batched_index)
        here.busy = True
        watch = row = None
        if worker.short > 7 and worker.short & 7:
            return (_count if worker.number < 0 else _time)(original, self, possibly_batched_index)
        try:
            watch = _open(self, possibly_batched_index)
            batch = original(self, possibly_batched_index if watch is None else watch.index)
            row = _end(watch)
            if padding.looks.left:
                padding.look(batch, worker.number)
            return batch
        finally:
            here.busy = False
            _close(watch, row)

    return measures(original, fetch)


def _count(original: FetchMethod, fetcher: Any, index: Any) -> Any:
    """Fetch in the trainer without an event: of fetches that are over at once every eighth is measured."""
    begun_ns = _now()
    try:
        batch = original(fetcher, index)
    finally:
        here.busy = False
    worker.short = worker.short + 1 if _now() - begun_ns < SHORT_NS else 0
    return batch


def _time(original: FetchMethod, fetcher: Any, index: Any) -> Any:
    """Fetch in a worker and record the times alone: what is in such fetches is known from every eighth."""
    begun_ns, cpu_ns = _now(), time.thread_time_ns()
    try:
        batch = original(fetcher, index)
    finally:
        here.busy = False
    cpu_ns, ended_ns = time.thread_time_ns() - cpu_ns, _now()
    worker.short = worker.short + 1 if ended_ns - begun_ns < SHORT_NS else 0
    worker.row = fetch_timing.times_only(begun_ns, ended_ns, cpu_ns)
    return batch


def _open(fetcher: Any, index: Any) -> Fetch | None:
    try:
        return Fetch(fetcher, index)
    except Exception as error:
        spool.error("fetch", error)
        return None


def _end(watch: Fetch | None) -> Row | None:
    try:
        return watch.end() if watch is not None else None
    except Exception as error:
        spool.error("fetch", error)
        return None


def _close(watch: Fetch | None, row: Row | None) -> None:
    try:
        if watch is not None:
            watch.close(row)
    except Exception as error:
        spool.error("fetch", error)


def on_import(_name: str, _module: Any) -> None:
    """Wrap the fetch methods once torch's DataLoader has been imported."""
    module = sys.modules.get("torch.utils.data._utils.fetch")
    for name in _CLASSES:
        cls: Any = getattr(module, name, None)
        if cls is None or "fetch" not in vars(cls):
            spool.meta("missing_seam", f"torch.utils.data._utils.fetch.{name}.fetch")
        elif not is_measured(cls.fetch):
            cls.fetch = measured(cls.fetch)


def become_worker(number: int) -> None:
    """Make the batches of a DataLoader worker from now on, with every replacement in place for good."""
    worker.number = number
    worker.short = 0
    instruments.stay()
