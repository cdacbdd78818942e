"""Twins of the user's loader: the same dataset, sampler and collate, with some settings changed.

A twin is a shallow copy made behind DataLoader's back (its constructor is not called again, so that loaders derived
from it stay what they are). Its iterator is started again when it is exhausted.
"""

import copy
import os
import sys
import time

from . import outputs, remedies

_OURS = "_gpuwatch_arm"
_OF_WORKERS = ("prefetch_factor", "persistent_workers", "in_order")
now_ns = time.monotonic_ns


class Arms:
    """The twins of one loader by arm, their iterators kept open until closed, and the cores they run on."""

    def __init__(self, module, loader):
        self.module = module
        self.loader = loader
        self.twins = {}
        self.iterators = {}
        self.started = {}
        self.epochs = {}
        self.unasked = set()
        self.starts = 0
        self.all_cores = sorted(os.sched_getaffinity(0))
        self.cores = len(self.all_cores)
        self.threads = None

    def open(self, order):
        """Make ready what the order needs; return the batches to discard first."""
        self._use_cores(order.get("cores") or len(self.all_cores))
        name = order["arm"]
        if name not in self.twins:
            self.twins[name] = make(self.loader, order)
        if name in self.iterators:
            self._discard(name)
        else:
            self._start(name)
        return 2 * self.twins[name].num_workers + 2

    def _discard(self, name):
        """Drop the batches that stand ready: the loop is to get what is made while it runs."""
        for _ in range(getattr(self.iterators[name], "_tasks_outstanding", 0)):
            try:
                self._next(name)
            except StopIteration:
                return self._start(name)

    def restart(self, name):
        """Begin a new epoch of an arm."""
        self._start(name)

    def batch(self, name):
        """Return the arm's next batch, over and over the data."""
        for _ in range(2):
            try:
                return remedies.opened(self._next(name))
            except StopIteration:
                self._start(name)
        raise RuntimeError("the loader gives no batch")

    def _next(self, name):
        """Return the iterator's next batch; a library remedy acts in this process only for a twin without workers."""
        if name in self.unasked:
            # Without workers the sampler draws its order only now.
            self.unasked.discard(name)
            outputs.seed(self.epochs[name])
        remedy = self.twins[name].__dict__.get("_gpuwatch_remedy")
        if remedy is None or self.twins[name].num_workers:
            return next(self.iterators[name])
        remedies.switch_on(*remedy)
        try:
            return next(self.iterators[name])
        finally:
            remedies.switch_off(remedy[0])

    def epoch_batches(self, name):
        """Return the batches of an epoch; many when the loader does not know."""
        try:
            return len(self.twins[name])
        except Exception:
            return 1 << 30

    def startup_ns(self, name):
        """Return what starting the arm's newest iterator took, up to its having been made."""
        return self.started.get(name)

    def rest(self, name, seconds):
        """Wait until the workers of an arm have made all that was asked of them; at most `seconds`."""
        if name in self.iterators:
            settle(self.iterators[name], seconds)

    def memory_bytes(self, name):
        """Return the mean memory of an arm's workers, shared pages by their part; None without workers."""
        workers = getattr(self.iterators.get(name), "_workers", None) or ()
        sizes = [size for size in (_proportional_bytes(worker.pid) for worker in workers) if size]
        return sum(sizes) // len(sizes) if sizes else None

    def close(self, name):
        """End an arm's workers."""
        iterator = self.iterators.pop(name, None)
        if iterator is not None and hasattr(iterator, "_shutdown_workers"):
            iterator._shutdown_workers()
        self.twins.pop(name, None)

    def _start(self, name):
        twin = self.twins[name]
        # The n-th epoch of every arm has the same order and the same draws.
        self.epochs[name] = self.epochs.get(name, 0) + 1
        outputs.seed(self.epochs[name])
        self.unasked.add(name)
        old = self.iterators.pop(name, None)
        start_ns = now_ns()
        if old is not None and twin.persistent_workers and hasattr(old, "_reset"):
            old._reset(twin)
            self.iterators[name] = old
        else:
            if old is not None and hasattr(old, "_shutdown_workers"):
                old._shutdown_workers()
            self.iterators[name] = iterate(self.module, twin)
        self.started[name] = now_ns() - start_ns
        self.starts += 1

    def _use_cores(self, count):
        """Confine the whole process to its first `count` cores; workers inherit it, so all are started again."""
        if count == self.cores:
            return
        for name in list(self.iterators):
            self.close(name)
        chosen = self.all_cores[: max(count, 1)]
        for thread in os.listdir("/proc/self/task"):
            try:
                os.sched_setaffinity(int(thread), chosen)
            except OSError:
                pass  # the thread has ended meanwhile
        self._use_threads(len(chosen))
        self.cores = count

    def _use_threads(self, count):
        torch = sys.modules.get("torch")
        if torch is None:
            return
        if self.threads is None:
            self.threads = torch.get_num_threads()
        torch.set_num_threads(max(min(self.threads, count), 1))


def _proportional_bytes(pid):
    """Return a process's proportional set size (/proc/PID/smaps_rollup), or what is resident; None when it is gone."""
    try:
        with open("/proc/%d/smaps_rollup" % pid) as file:
            return next(int(line.split()[1]) << 10 for line in file if line.startswith("Pss:"))
    except (OSError, StopIteration):
        pass
    try:
        with open("/proc/%d/statm" % pid) as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return None


def make(loader, order):
    """Return a twin of the loader with the order's settings and remedy. Raises what the remedy raises."""
    twin = copy.copy(loader)
    twin.__dict__["_iterator"] = None
    settings = dict(order.get("loader") or {})
    if "start_method" in settings:
        twin.__dict__["_DataLoader__multiprocessing_context"] = _context(settings.pop("start_method"))
    for name in settings:
        _check(twin, name, settings)
    twin.__dict__.update(settings)
    if twin.num_workers == 0:
        twin.__dict__.update(prefetch_factor=None, persistent_workers=False, timeout=0)
        twin.__dict__["_DataLoader__multiprocessing_context"] = None
    elif twin.prefetch_factor is None:
        twin.__dict__["prefetch_factor"] = 2
    if order.get("remedy"):
        remedies.apply(twin, order["remedy"], order.get("parameters") or {})
    return twin


def _check(twin, name, settings):
    if name not in twin.__dict__:
        raise remedies.Unsuitable("this torch's DataLoader has no %s" % name)
    if name in _OF_WORKERS and not settings.get("num_workers", twin.num_workers):
        raise remedies.Unsuitable("%s is for worker processes, and this loader has none" % name)


def _context(method):
    import multiprocessing

    return multiprocessing.get_context(method) if method else None


def iterate(module, twin):
    """Return a new iterator over a twin, marked as ours; a derived loader's own `__iter__` stays out of it."""
    maker = getattr(type(twin), "_get_iterator", None) or module.DataLoader._get_iterator
    iterator = maker(twin)
    iterator.__dict__[_OURS] = True
    return iterator


def settle(iterator, seconds):
    """Wait until an iterator's workers have made all that was asked of them; at most `seconds`."""
    deadline = time.monotonic() + seconds
    while not is_quiet(iterator) and time.monotonic() < deadline:
        time.sleep(0.005)


def is_quiet(iterator):
    """Say whether every batch asked of an iterator's workers is made; True where there are no workers."""
    outstanding = getattr(iterator, "_tasks_outstanding", None)
    if outstanding is None:
        return True
    try:
        queues = {id(q): q for q in (iterator._data_queue, iterator._worker_result_queue)}
        made = sum(q.qsize() for q in queues.values())
        return made >= outstanding
    except Exception:
        return True
