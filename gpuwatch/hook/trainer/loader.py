"""The trainer's side of data loading: every iterator made and every batch asked for, on torch's own iterator classes.

`_BaseDataLoaderIter.__next__` is what every derived loader goes through. The record of an iterator hangs on the
iterator itself and dies with it; the iterator, its dataset and its batches stay what they were.
"""

import atexit
import functools
import itertools
import multiprocessing.util
import os
import sys
import weakref

from ..event_log import columns, spool
from ..lines import in_process_sampler
from ..source_code import callers, construction_sites
from ..worker_process import fetch
from . import activity, cuda, describe, importlib_bootstrap, queues, step_sampling

_BASE = "_BaseDataLoaderIter"
_RECORD = "_gpuwatch"
_EXHAUSTED, _FAILED = 1, 2
now_ns = activity.now_ns
_numbers = itertools.count(1)
_loader_numbers = itertools.count(1)
_loaders = weakref.WeakKeyDictionary()
_process = os.getpid()
_facts = {}


class Record:
    """What is known of one iterator. `making`: it, or its next epoch, is under construction. `steps`: where the times
    of its steps go while they are only timed."""

    __slots__ = ("number", "loader", "epoch", "making", "queue", "open", "place", "process", "steps", "__weakref__")

    def __init__(self, loader):
        self.loader, self.epoch = _register(loader)
        self.process = _process
        self.queue = None
        self.open = False
        self.begin()

    def begin(self):
        """Take a new number: for the iterator, or for the next epoch of one with persistent workers."""
        self.number = next(_numbers)
        self.place = callers.calling_place()
        self.making = True
        self.steps = None

    def close(self):
        """Write the tail of an iterator that was left before its end, in the thread that trained with it."""
        account = activity.current()
        if self.open and self.process == _process and account.iterator == self.number:
            activity.write_tail(account, self.number)
        self.open = False

    def __del__(self):
        try:
            self.close()
        except Exception:
            pass  # the interpreter is going down and took our modules with it


def _register(loader):
    try:
        number, epoch = _loaders.get(loader) or (next(_loader_numbers), 0)
        _loaders[loader] = number, epoch + 1
    except TypeError:  # a loader that cannot be hashed or referenced weakly: each iterator stands for itself
        number, epoch = next(_loader_numbers), 0
    return number, epoch


def next_numbers():
    """Return the numbers of an iterator and of a loader that nobody has yet."""
    return next(_numbers), next(_loader_numbers)


def on_import(name, module):
    """Place the seams in `torch.utils.data.dataloader`, or in torchdata's own iterator classes."""
    base = getattr(module, _BASE, None)
    if base is None or "__next__" not in vars(base):
        return spool.meta("missing_seam", name + "." + _BASE)
    for cls in _iterator_classes(module, base):
        for method in ("__init__", "_reset"):
            if method in vars(cls) and not hasattr(vars(cls)[method], _RECORD):
                setattr(cls, method, _making(vars(cls)[method]))
    if not hasattr(base.__next__, _RECORD):
        setattr(base, _RECORD, None)
        base.__next__ = importlib_bootstrap.giving(base.__next__, _asked, _given, _paused)
        setattr(base.__next__, _RECORD, True)
        _start(module)


def _iterator_classes(module, base):
    # Only those that are made: a warning from their base's constructor must go on naming torch's line, not ours.
    classes = {thing for thing in vars(module).values() if isinstance(thing, type) and issubclass(thing, base)}
    return [cls for cls in classes if not any(cls in other.__mro__[1:] for other in classes)]


def _start(module):
    spool.meta("torch", _torch_version())
    activity.watch_collector()
    atexit.register(_at_exit)


def _torch_version():
    return str(getattr(sys.modules.get("torch"), "__version__", None))


def _making(original):
    """Wrap `__init__` or `_reset` of an iterator class: the outermost call of the two is one iterator made."""

    @functools.wraps(original)
    def make(self, *args, **kwargs):
        start_ns = now_ns()
        record = _begin(self, args, kwargs)
        result = original(self, *args, **kwargs)
        if record is not None:
            _made(self, args[0] if args else kwargs.get("loader"), record, start_ns)
        return result

    setattr(make, _RECORD, True)
    return make


def _begin(iterator, args, kwargs):
    try:
        record = iterator.__dict__.get(_RECORD)
        if record is None:
            record = Record(args[0] if args else kwargs["loader"])
            iterator.__dict__[_RECORD] = record
            return record
        if record.making:
            return None
        record.close()
        record.loader, record.epoch = _register(args[0] if args else kwargs["loader"])
        record.begin()
        return record
    except Exception:
        return None


def _made(iterator, loader, record, start_ns):
    end_ns = now_ns()
    try:
        record.queue = queues.view(iterator)
        say_facts()
        attributes = describe.loader_attributes(loader, iterator)
        workers = describe.worker_pids(iterator)
        places = record.place + construction_sites.place_of(loader)
        spool.event(
            "iterator", record.number, record.loader, start_ns, end_ns, record.epoch, attributes, workers, *places
        )  # fmt: skip
    except Exception as trouble:
        spool.meta("hook_error", "iterator: %s: %s" % (type(trouble).__name__, trouble))
    record.making = False
    record.open = True
    account = activity.current()
    if step_sampling.closely(account, end_ns):
        account.resume(end_ns)


def say_facts():
    """Write what is known only now: the loader's machine and, once it is there, the process group."""
    if not _facts:
        facts = {
            "torch": _torch_version(),
            "affinity": len(os.sched_getaffinity(0)),
            "cpu_count": os.cpu_count(),
            "threads": describe.library_threads(),
        }
        _facts.update(facts)
        for key, value in facts.items():
            spool.meta(key, value)
        # A trainer forked by multiprocessing ends without atexit, but not without this.
        multiprocessing.util.Finalize(None, _at_exit, exitpriority=0)
    group = describe.process_group()
    if group is not None and _facts.get("ranks") != group:
        _facts["ranks"] = group
        spool.meta("ranks", group)


_THREADS = activity._THREADS
_PACE = step_sampling.pace
_NEVER, _LEFT = activity.NEVER, activity.LEFT
METERS = activity.ThreadMeters()
_METERS_NS = METERS.cpu_every_ns
BATCH = '["batch",' + ",".join(["%s"] * len(columns.COLUMNS["batch"])) + "]\n"


def _asked(iterator, record):
    """Look at the queue just before a batch is asked for; return (account, what was seen, when it is asked for)."""
    account = _THREADS.activity
    entered_ns = now_ns()
    seen = None
    try:
        if account.gpu is not None:
            account.gpu.asked()
        if record.queue is None:
            fetch.here.number = iterator._num_yielded
        else:
            seen = record.queue.before(iterator)
        if in_process_sampler.state.sampler is not None:
            in_process_sampler.waiting(iterator, seen)
    except Exception:
        seen = None
    asked_ns = now_ns()
    account.own += asked_ns - entered_ns
    return account, seen, asked_ns


def _paused(iterator, record, asked_ns, given_ns, ending):
    """Write the steps that were only timed; at the end of them tell the last by itself, and measure the next in full."""
    try:
        account = _THREADS.activity
        if ending is None and record.steps is not None and step_sampling.go_on(account, given_ns):
            record.steps += (asked_ns, given_ns)
            return spool.flush(given_ns)
        if account.gpu is not None:
            account.gpu.skip()
        _given(iterator, record, account, None, asked_ns, given_ns, ending)
    except Exception as trouble:
        spool.meta("hook_error", "batch: %s: %s" % (type(trouble).__name__, trouble))


def _given(iterator, record, account, seen, asked_ns, given_ns, ending):
    """Write a `batch` event: `ending` is what was raised instead of a batch, or None."""
    # Flat, and formatted later: this is the training's every step, run with the caches full of the user's work.
    try:
        ready = available = late = awaited = cpu_ns = delay_ns = None
        forward = backward = backward_n = optimizer = optimizer_n = other = None
        end = 0
        if ending is not None:
            end = _EXHAUSTED if isinstance(ending, StopIteration) else _FAILED
            record.open = end != _EXHAUSTED
            index = iterator._num_yielded
        elif seen is not None:
            index, ready, available, late, awaited = record.queue.after(iterator, seen)
        else:
            index = record.queue.index(iterator) if record.queue else iterator._num_yielded - 1
        if account.stretch == _PACE.stretch and not _PACE.light:
            forward, backward, backward_n = account.forward, account.backward, account.backward_n
            optimizer, optimizer_n = account.optimizer, account.optimizer_n
            other = account.other + asked_ns - account.mark
        if given_ns - account.cpu_at >= _METERS_NS:
            cpu_ns, delay_ns = _now_and_then(account, given_ns)
        own_ns = account.own
        values = (
            record.number, index, asked_ns, given_ns, end, ready, available, late, awaited,
            forward, backward, backward_n, optimizer, optimizer_n, other,
            account.gc, account.gc_n, cpu_ns, delay_ns, own_ns,
        )  # fmt: skip
        spool.later(BATCH, values, given_ns, _PACE.together_ns)
        account.iterator = record.number
        account.loose = 0 if end else _NEVER if account.loop is None else _LEFT
        account.restart(given_ns)
        if end:
            step_sampling.closely(account, given_ns)
            spool.flush()
        elif account.gpu is not None:
            account.gpu.given(record.number, index)
        if in_process_sampler.state.sampler is not None:
            in_process_sampler.given(given_ns)
        elif other is not None:
            step_sampling.measured(account, given_ns, own_ns)
        if _PACE.light and not end:
            record.steps = step_sampling.time_only(account, given_ns, record, index + 1)
            if record.steps is not None and hasattr(iterator, "_dataset_fetcher"):
                fetch.stand_aside(iterator._dataset_fetcher)
        account.own = now_ns() - given_ns
    except Exception as trouble:
        spool.meta("hook_error", "batch: %s: %s" % (type(trouble).__name__, trouble))


def _now_and_then(account, at_ns):
    """Do what costs system calls, and look for what seldom changes; return (cpu_ns, delay_ns) of the meters."""
    if account.gpu is None:
        account.gpu = cuda.meter()
    in_process_sampler.passed(at_ns)
    return METERS.read(account, at_ns)


def _after_fork():
    global _process
    _process = os.getpid()
    _THREADS.activity = activity.Activity()
    _facts.clear()
    cuda.after_fork()


os.register_at_fork(after_in_child=_after_fork)


def _at_exit():
    """Write the last activity and that the process ended by itself; a process without a loader has nothing to say."""
    if _facts.get("exit") == _process or not (_facts or activity.current().trained()):
        return
    try:
        _facts["exit"] = _process
        activity.stop_watching_collector()
        account = activity.current()
        if account.gpu is not None:
            account.gpu.resolve()
        activity.write_tail(account, account.iterator)
        account.iterator = None
        spool.meta("exit", "atexit")
    except Exception:
        pass  # nothing of ours may change how the training ends
