"""The worker process of a DataLoader: when it waits for an index, makes a batch, hands it over.

`_worker_loop` is called with its own arguments, except that the two queues are stand-ins that read the clock; what
travels through them is untouched.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import sys
import time

from ..attributes import is_measured, measures
from ..event_log import counters, spool
from ..event_log.cpu_mask import mask
from ..event_log.identity import ranks
from ..event_log.library_threads import library_threads
from ..lines import exact, in_process_sampler
from ..process import TYPE_CHECKING
from ..process_state import explicit_collections
from . import fetch, fetch_event, left_behind, serialise
from .epochs import epoch
from .state import worker

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    WorkerLoop = Callable[..., Any]

_now = time.monotonic_ns
_STATEFUL = "torchdata.stateful_dataloader."
_THREADS_AT = (1, 8)


class IndexQueue:
    """Replaces the index queue: notes since when the worker waits, and what it got."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue

    def get(self, *args: Any, **kwargs: Any) -> Any:
        """Get as the queue does; queue.Empty passes, the wait goes on."""
        if worker.idle_t0 is None:
            worker.idle_t0 = _now()
        in_process_sampler.state.activity = "idle"
        got = self._queue.get(*args, **kwargs)
        in_process_sampler.state.activity = "fetch"
        worker.got_ns = _now()
        if type(got) is tuple and got and isinstance(got[0], int):
            worker.index = got[0]
        return got

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)


class DataQueue:
    """Replaces the data queue: the batch goes first, then its `fetch` event is written."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue
        self.batches = 0

    def put(self, item: Any, *args: Any, **kwargs: Any) -> None:
        """Put as the queue does."""
        serialise.expect(item)
        self._queue.put(item, *args, **kwargs)
        row, worker.row = worker.row, None
        if row is not None:
            fetch_event.write(row)
            self.batches += 1
            if self.batches in _THREADS_AT:
                spool.meta("threads", threads())
            if not self.batches & (self.batches - 1):
                explicit_collections.write()
        _count(item, row is not None)
        now_ns = worker.idle_t0 = _now()
        in_process_sampler.passed(now_ns)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)


def _count(item: Any, is_batch: bool) -> None:
    """Count what was sent in the epoch, which never may fail the worker."""
    try:
        if is_batch:
            epoch.delivered(item[1])
        else:
            epoch.message(item)
    except Exception as error:
        spool.error("worker_epoch", error)


def threads() -> dict[str, int | None]:
    """Return how many threads each library of this process uses, and how many the process has."""
    return {**library_threads(), "process": counters.thread_count()}


def measured(original: Any) -> WorkerLoop:
    """Return a `_worker_loop` that measures `original`; it pickles by the same name."""
    names = original.__code__.co_varnames[: original.__code__.co_argcount]

    @functools.wraps(original)
    def _worker_loop(*args: Any, **kwargs: Any) -> Any:
        queue = None
        try:
            args, queue = _begin(names, args)
        except Exception as error:
            spool.error("worker", error)
        try:
            return original(*args, **kwargs)
        finally:
            _end(queue)

    return measures(original, _worker_loop)


def _begin(names: tuple[str, ...], args: tuple[Any, ...]) -> tuple[tuple[Any, ...], DataQueue]:
    position = {name: index for index, name in enumerate(names)}
    number = args[position["worker_id"]]
    changed = list(args)
    queue = changed[position["data_queue"]] = DataQueue(args[position["data_queue"]])
    changed[position["index_queue"]] = IndexQueue(args[position["index_queue"]])
    trainer_pid = _trainer_pid()
    kind = position.get("dataset_kind")
    iterable = kind is not None and args[kind] != 0
    epoch.compares = iterable or (ranks()["world_size"] or 1) > 1
    epoch.begin()
    fetch.become_worker(number)
    serialise.watch(queue._queue)
    left_behind.watch()
    in_process_sampler.become_worker(number, trainer_pid)
    exact.become_worker(number)
    start_method = getattr(multiprocessing.current_process(), "_start_method", None)
    spool.event("worker", _now(), number, args[position["num_workers"]], trainer_pid, start_method, threads())
    mask.write("worker")
    return tuple(changed), queue


def _trainer_pid() -> int:
    parent = multiprocessing.parent_process()  # with forkserver not the operating system's parent
    pid = parent.pid if parent is not None else None
    return pid if pid is not None else os.getppid()


def _end(queue: DataQueue | None) -> None:
    try:
        in_process_sampler.stop()
        exact.stop()
        explicit_collections.write()
        if queue is not None:
            epoch.end()
            mask.write("end")
            spool.event("worker_end", _now(), worker.number, queue.batches, left_behind.left_behind())
    except Exception as error:
        spool.error("worker", error)


def on_import(name: str, module: Any) -> None:
    """Wrap the worker loop of torch, or torchdata's copy of it."""
    if name.startswith(_STATEFUL):
        _wrap(sys.modules.get(_STATEFUL + "worker"), module)
    else:
        _wrap(sys.modules.get("torch.utils.data._utils.worker"))


def _wrap(home: Any, *users: Any) -> None:
    original = getattr(home, "_worker_loop", None)
    if original is None:
        module_name = getattr(home, "__name__", "worker")
        spool.meta("missing_seam", f"{module_name}._worker_loop")
        return
    loop = original if is_measured(original) else measured(original)
    home._worker_loop = loop
    for module in users:
        if getattr(module, "_worker_loop", None) is original:
            module._worker_loop = loop
