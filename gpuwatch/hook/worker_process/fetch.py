"""One batch being made: wraps the two fetch methods of torch's DataLoader, in workers and (num_workers=0) in the trainer."""

import functools
import os
import sys
import time

from ..event_log import columns, counters, spool
from ..fetch_in_progress import here
from ..operations import registry
from ..operations.instruments import Instruments
from ..source_code import origins
from ..step_mode import pace
from . import datasets

_now = time.monotonic_ns
_CLASSES = ("_MapDatasetFetcher", "_IterableDatasetFetcher")
_NOTES = "_gpuwatch"
_SHORT_NS = 300_000
_FULL_EVERY_NS = 20_000_000
_UNKNOWN = (None, None)
_DEBUG = bool(os.environ.get("GPUWATCH_DEBUG"))


class _Worker:
    """Which worker this process is (-1: the trainer), and the row that waits for the batch to be handed over."""

    number = -1
    index = None
    idle_t0 = None
    got_ns = None
    row = None
    short = 0  # fetches in a row that were over at once
    full_ns = 0  # since when the next measure in full is due


worker = _Worker()


instruments = Instruments()


class Samples(list):
    """The indices of a batch; iterating tells when each sample begins and ends."""

    __slots__ = ("slowest_ns", "taken")

    def __iter__(self):
        tally = registry.stage.tally or registry.Tally()
        modules, known = sys.modules, instruments.modules
        slowest_ns = taken = 0
        before_ns = _now()
        try:
            for one in list.__iter__(self):
                tally.previous = None
                yield one
                taken += 1
                now_ns = _now()
                if now_ns - before_ns > slowest_ns:
                    slowest_ns = now_ns - before_ns
                before_ns = now_ns
                if len(modules) != known:  # an image plugin, imported by the first image
                    instruments.scan()
                    known = instruments.modules
        finally:
            self.slowest_ns, self.taken = slowest_ns, taken


class Collate:
    """Times a fetcher's collate function, less the operations inside; also this hook's notes on the fetcher."""

    __slots__ = ("function", "batched")

    def __init__(self, function, batched):
        self.function = function
        self.batched = batched

    def __call__(self, *args, **kwargs):
        if not here.measuring:
            return self.function(*args, **kwargs)
        tally = registry.stage.tally or registry.Tally()
        outer_ns, tally.inner_ns = tally.inner_ns, 0
        t0 = _now()
        try:
            return self.function(*args, **kwargs)
        finally:
            spent = _now() - t0
            here.collate_ns += spent - tally.inner_ns
            tally.inner_ns = outer_ns + spent

    def __getattr__(self, name):
        return getattr(self.function, name)


class Fetch:
    """The measures taken around one fetch."""

    __slots__ = (
        "collate",
        "samples",
        "number",
        "index",
        "measured",
        "full",
        "gc_ns",
        "delay_ns",
        "process_ns",
        "io",
        "t0",
        "cpu_ns",
    )

    def __init__(self, fetcher, index):
        self.collate = _notes_on(fetcher)
        whole = self.collate.batched or type(index) is not list or not fetcher.auto_collation
        self.samples = None if whole else Samples(index)
        self.index = index if whole else self.samples
        self.number = worker.index if worker.number >= 0 else here.number
        here.collate_ns = 0
        here.measuring = True
        self.measured = instruments.enter()
        if self.measured:
            registry.begin()
        self.full = _is_due()
        self.io = counters.process_io() if self.full else _UNKNOWN
        self.gc_ns = counters.collected_ns()
        self.t0 = _now()
        self.delay_ns = counters.thread_delay_ns() if self.full else None
        self.process_ns = time.process_time_ns()
        self.cpu_ns = time.thread_time_ns()

    def end(self):
        """Take the second reading; return the `fetch` event's columns."""
        cpu_ns = time.thread_time_ns() - self.cpu_ns
        process_ns = time.process_time_ns() - self.process_ns
        delay_ns = _less(counters.thread_delay_ns(), self.delay_ns) if self.full else None
        t1 = _now()
        gc_ns = counters.collected_ns() - self.gc_ns
        io = counters.process_io() if self.full else _UNKNOWN
        worker.short = worker.short + 1 if t1 - self.t0 < _SHORT_NS else 0
        samples = self.samples
        count = samples.taken if samples is not None else _length(self.index)
        slowest_ns = samples.slowest_ns if samples is not None else None
        return [
            worker.number, self.number, worker.idle_t0, worker.got_ns or self.t0, t1,
            cpu_ns, process_ns, delay_ns, here.collate_ns, gc_ns, count, _less(io[0], self.io[0]), _less(io[1], self.io[1]),
            slowest_ns, int(self.collate.batched), None,
        ]  # fmt: skip

    def close(self, row):
        """Stop measuring operations, and hand the row on; without a row only stop."""
        here.measuring = False
        rows = None
        if self.measured:
            rows = registry.end()
            instruments.leave()
        if row is not None:
            row[-1] = rows
            _hand_on(row)


def _is_due():
    # In the trainer every measure is a part of the step, and /proc is the dearest.
    if worker.number >= 0:
        return True
    now_ns = _now()
    if now_ns < worker.full_ns:
        return False
    worker.full_ns = now_ns + _FULL_EVERY_NS
    return True


def _less(after, before):
    return None if after is None or before is None else after - before


def _length(index):
    try:
        return len(index) if not isinstance(index, (str, bytes)) else 1
    except TypeError:
        return 1


def _hand_on(row):
    if worker.number >= 0:
        worker.row = row  # written when the batch is on its way: see worker.DataQueue
    else:
        spool.later(_LINE, _values(row), 0)  # goes with the `batch` event that follows at once


_LINE = '["fetch",' + ",".join(["%s"] * len(columns.COLUMNS["fetch"])) + "]\n"
_OPERATION = "[%s,%s,%s,%s,%s,%s]"


def write(row):
    """Write a `fetch` event; together with that of sending the batch, which follows in the feeder thread."""
    spool.later(_LINE, _values(row), row[4])


def _values(row):
    rows = row[-1]
    if rows is not None:
        row[-1] = "[" + ",".join([_OPERATION % tuple(one) for one in rows]) + "]"
    return tuple(row)


def _notes_on(fetcher):
    collate = vars(fetcher).get("collate_fn")
    notes = vars(fetcher).get(_NOTES)
    if notes is None or not (collate is notes or collate is notes.function):
        notes = vars(fetcher)[_NOTES] = fetcher.collate_fn = Collate(collate, datasets.makes_batches(fetcher))
        _look_at(fetcher, collate)
        return notes
    fetcher.collate_fn = notes
    if not instruments.fetches & 63 or instruments.fetches < 8:
        instruments.scan()
    instruments.fetches += 1
    return notes


def stand_aside(fetcher):
    """Give a fetcher its own collate function back, until a fetch of it is measured again."""
    notes = vars(fetcher).get(_NOTES)
    if notes is not None and fetcher.collate_fn is notes:
        fetcher.collate_fn = notes.function


def _look_at(fetcher, collate):
    counters.watch_collector()
    dataset = fetcher.dataset
    method = datasets.method_of(fetcher, datasets.innermost(dataset))
    instruments.transforms.user_files |= origins.user_files(method, collate)
    instruments.scan()
    for thing in (dataset, collate):
        instruments.transforms.visit(thing)
    datasets.announce(type(datasets.innermost(dataset)), method)


def measured(genuine):
    """Return a fetch method that measures `genuine` and gives what it gives."""

    @functools.wraps(genuine)
    def fetch(self, possibly_batched_index):
        if pace.light and worker.number < 0:  # the trainer's steps are only timed
            return genuine(self, possibly_batched_index)
        if here.busy:  # a loader iterated inside a dataset: part of the outer fetch
            return genuine(self, possibly_batched_index)
        here.busy = True
        watch = row = None
        if worker.short > 7 and worker.short & 7:
            return (_pass if worker.number < 0 else _time)(genuine, self, possibly_batched_index)
        try:
            watch = _open(self, possibly_batched_index)
            batch = genuine(self, possibly_batched_index if watch is None else watch.index)
            row = _closing(watch)
            return batch
        finally:
            here.busy = False
            _close(watch, row)

    fetch._gpuwatch_original = genuine
    return fetch


def _pass(genuine, fetcher, index):
    """Fetch in the trainer without an event: of fetches that are over at once each eighth stands for the others."""
    begun_ns = _now()
    try:
        batch = genuine(fetcher, index)
    finally:
        here.busy = False
    worker.short = worker.short + 1 if _now() - begun_ns < _SHORT_NS else 0
    return batch


def _time(genuine, fetcher, index):
    """Fetch in a worker, and tell no more than the times: the eighths measured in full stand for what is in them."""
    begun_ns, cpu_ns = _now(), time.thread_time_ns()
    try:
        batch = genuine(fetcher, index)
    finally:
        here.busy = False
    cpu_ns, ended_ns = time.thread_time_ns() - cpu_ns, _now()
    worker.short = worker.short + 1 if ended_ns - begun_ns < _SHORT_NS else 0
    worker.row = [
        worker.number, worker.index, worker.idle_t0, worker.got_ns or begun_ns, ended_ns, cpu_ns,
        None, None, None, None, None, None, None, None, None, None,
    ]  # fmt: skip
    return batch


def _open(fetcher, index):
    try:
        return Fetch(fetcher, index)
    except Exception as trouble:
        return _fail(trouble)


def _closing(watch):
    try:
        return watch.end() if watch is not None else None
    except Exception as trouble:
        return _fail(trouble)


def _close(watch, row):
    try:
        if watch is not None:
            watch.close(row)
    except Exception as trouble:
        _fail(trouble)


_failures = []


def _fail(trouble):
    if _DEBUG:
        raise trouble
    if len(_failures) < 8:  # the same failure at each batch is not news
        _failures.append(trouble.__class__.__name__)
        spool.meta("hook_error", "fetch: %s: %s" % (type(trouble).__name__, trouble))


def on_import(_name, _module):
    """Wrap the fetch methods once torch's DataLoader has been imported."""
    module = sys.modules.get("torch.utils.data._utils.fetch")
    for name in _CLASSES:
        cls = getattr(module, name, None)
        if cls is None or "fetch" not in vars(cls):
            spool.meta("missing_seam", "torch.utils.data._utils.fetch.%s.fetch" % name)
        elif not hasattr(cls.fetch, "_gpuwatch_original"):
            cls.fetch = measured(cls.fetch)


def become_worker(number):
    """Start afresh in a DataLoader worker, with every replacement in place for good."""
    global instruments
    registry.book.clear()
    worker.number = number
    worker.short = 0
    instruments = Instruments(for_good=True)
    instruments.patches.enter()
