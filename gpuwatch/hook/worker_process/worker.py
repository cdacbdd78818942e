"""The worker process of a DataLoader: when it waits for an index, makes a batch, hands it over.

`_worker_loop` is called with its own arguments, save that the two queues are stand-ins that look at the clock; what
travels through them is untouched.
"""

import functools
import multiprocessing
import os
import sys
import time

from ..event_log import counters, spool
from ..lines import exact, in_process_sampler
from . import fetch, serialise

_now = time.monotonic_ns
_DEBUG = bool(os.environ.get("GPUWATCH_DEBUG"))
_STATEFUL = "torchdata.stateful_dataloader."
_THREADS_AT = (1, 8)


class IndexQueue:
    """Stands in for the index queue: notes since when the worker waits, and what it got."""

    def __init__(self, queue):
        self._queue = queue

    def get(self, *args, **kwargs):
        """Get as the queue does; queue.Empty passes, the wait goes on."""
        state = fetch.worker
        if state.idle_t0 is None:
            state.idle_t0 = _now()
        in_process_sampler.state.activity = "idle"
        got = self._queue.get(*args, **kwargs)
        in_process_sampler.state.activity = "fetch"
        state.got_ns = _now()
        if type(got) is tuple and got and isinstance(got[0], int):
            state.index = got[0]
        return got

    def __getattr__(self, name):
        return getattr(self._queue, name)


class DataQueue:
    """Stands in for the data queue: the batch goes first, then its `fetch` event is written."""

    def __init__(self, queue):
        self._queue = queue
        self.batches = 0

    def put(self, item, *args, **kwargs):
        """Put as the queue does."""
        serialise.expect(item)
        self._queue.put(item, *args, **kwargs)
        state = fetch.worker
        row, state.row = state.row, None
        if row is not None:
            fetch.write(row)
            self.batches += 1
            if self.batches in _THREADS_AT:
                spool.meta("threads", threads())
        state.idle_t0 = _now()
        in_process_sampler.passed(state.idle_t0)

    def __getattr__(self, name):
        return getattr(self._queue, name)


def threads():
    """Return how many threads each library of this process uses, and how many the process has."""
    torch, cv2 = sys.modules.get("torch"), sys.modules.get("cv2")
    return {
        "torch": _ask(torch, "get_num_threads"),
        "cv2": _ask(cv2, "getNumThreads"),
        "omp": os.environ.get("OMP_NUM_THREADS"),
        "mkl": os.environ.get("MKL_NUM_THREADS"),
        "process": counters.thread_count(),
    }


def _ask(module, name):
    try:
        return int(getattr(module, name)())
    except Exception:
        return None


def measured(genuine):
    """Return a `_worker_loop` that measures `genuine`; it pickles by the same name."""
    names = genuine.__code__.co_varnames[: genuine.__code__.co_argcount]

    @functools.wraps(genuine)
    def _worker_loop(*args, **kwargs):
        queue, begun = None, None
        try:
            args, queue, begun = _begin(names, args)
        except Exception as trouble:
            _fail(trouble)
        try:
            return genuine(*args, **kwargs)
        finally:
            _end(queue, begun)

    _worker_loop._gpuwatch_original = genuine
    return _worker_loop


def _begin(names, args):
    at = {name: number for number, name in enumerate(names)}
    number = args[at["worker_id"]]
    changed = list(args)
    queue = changed[at["data_queue"]] = DataQueue(args[at["data_queue"]])
    changed[at["index_queue"]] = IndexQueue(args[at["index_queue"]])
    trainer_pid = _trainer_pid()
    fetch.become_worker(number)
    serialise.watch(queue._queue)
    in_process_sampler.become_worker(number, trainer_pid)
    exact.become_worker(number)
    start_method = getattr(multiprocessing.current_process(), "_start_method", None)
    spool.event("worker", _now(), number, args[at["num_workers"]], trainer_pid, start_method, threads())
    return tuple(changed), queue, number


def _trainer_pid():
    parent = multiprocessing.parent_process()  # with forkserver not the operating system's parent
    return parent.pid if parent is not None else os.getppid()


def _end(queue, number):
    try:
        in_process_sampler.stop()
        exact.stop()
        if queue is not None:
            spool.event("worker_end", _now(), number, queue.batches)
    except Exception as trouble:
        _fail(trouble)


def _fail(trouble):
    if _DEBUG:
        raise trouble
    spool.meta("hook_error", "worker: %s: %s" % (type(trouble).__name__, trouble))


def on_import(name, module):
    """Wrap the worker loop of torch, or torchdata's copy of it."""
    if name.startswith(_STATEFUL):
        _wrap(sys.modules.get(_STATEFUL + "worker"), module)
    else:
        _wrap(sys.modules.get("torch.utils.data._utils.worker"))


def _wrap(home, *users):
    genuine = getattr(home, "_worker_loop", None)
    if genuine is None:
        spool.meta("missing_seam", "%s._worker_loop" % getattr(home, "__name__", "worker"))
        return
    loop = genuine if hasattr(genuine, "_gpuwatch_original") else measured(genuine)
    home._worker_loop = loop
    for module in users:
        if getattr(module, "_worker_loop", None) is genuine:
            module._worker_loop = loop
