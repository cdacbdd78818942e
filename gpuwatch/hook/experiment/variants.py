"""The variants of one loader in an experiment: which clones are open, on which cores they run, when they were started.

A clone's iterator is started again when it is exhausted.
"""

from __future__ import annotations

import os
import sys
import time

from ..process import TYPE_CHECKING
from . import loader_clones, outputs, remedies, remedy_batches

if TYPE_CHECKING:
    from typing import Any

    from .orders import Order

_UNKNOWN_LENGTH = 1 << 30
now_ns = time.monotonic_ns


class Variants:
    """The clones of one loader by variant, their iterators kept open until closed, and the cores they run on.

    `unasked`: the variants whose newest iterator has given no batch yet. `starts`: of all iterators.
    """

    def __init__(self, module: Any, loader: Any) -> None:
        self.module = module
        self.loader = loader
        self.clones: dict[str, Any] = {}
        self.iterators: dict[str, Any] = {}
        self.started: dict[str, int] = {}
        self.epochs: dict[str, int] = {}
        self.unasked: set[str] = set()
        self.starts = 0
        self.all_cores = sorted(os.sched_getaffinity(0))
        self.cores = len(self.all_cores)
        self.threads: int | None = None

    def open(self, order: Order) -> int:
        """Make ready what the order needs; return the batches to discard first."""
        self._use_cores(order.get("cores") or len(self.all_cores))
        name = order["arm"]
        if name not in self.clones:
            self.clones[name] = loader_clones.make(self.loader, order)
        if name in self.iterators:
            self._discard(name)
        else:
            self._start(name)
        return 2 * int(self.clones[name].num_workers) + 2

    def _discard(self, name: str) -> None:
        """Drop the batches that are ready: the loop is to get what is made while it runs."""
        for _ in range(getattr(self.iterators[name], "_tasks_outstanding", 0)):
            try:
                self._next(name)
            except StopIteration:
                self._start(name)
                return

    def restart(self, name: str) -> None:
        """Begin a new epoch of a variant."""
        self._start(name)

    def batch(self, name: str) -> Any:
        """Return the variant's next batch, over and over the data."""
        for _ in range(2):
            try:
                return remedy_batches.opened(self._next(name))
            except StopIteration:
                self._start(name)
        raise RuntimeError("the loader gives no batch")

    def _next(self, name: str) -> Any:
        """Return the iterator's next batch; a library remedy acts in this process only for a clone without workers."""
        if name in self.unasked:
            # Without workers the sampler draws its order only now.
            self.unasked.discard(name)
            outputs.seed(self.epochs[name])
        if self.clones[name].num_workers:
            return next(self.iterators[name])
        with remedies.acting(self.clones[name]):
            return next(self.iterators[name])

    def epoch_batches(self, name: str) -> int:
        """Return the batches of an epoch; many when the loader does not know."""
        try:
            return len(self.clones[name])
        except Exception:
            return _UNKNOWN_LENGTH

    def startup_ns(self, name: str) -> int | None:
        """Return what starting the variant's newest iterator took, up to its having been made."""
        return self.started.get(name)

    def rest(self, name: str, seconds: float) -> None:
        """Wait until the workers of a variant have made all that was asked of them; at most `seconds`."""
        if name in self.iterators:
            loader_clones.settle(self.iterators[name], seconds)

    def memory_bytes(self, name: str) -> int | None:
        """Return the mean memory of a variant's workers, shared pages by their part; None without workers."""
        workers = getattr(self.iterators.get(name), "_workers", None) or ()
        sizes = [size for size in (_proportional_bytes(worker.pid) for worker in workers) if size]
        return sum(sizes) // len(sizes) if sizes else None

    def close(self, name: str) -> None:
        """End a variant's workers."""
        iterator = self.iterators.pop(name, None)
        if iterator is not None and hasattr(iterator, "_shutdown_workers"):
            iterator._shutdown_workers()
        self.clones.pop(name, None)

    def _start(self, name: str) -> None:
        clone = self.clones[name]
        # The n-th epoch of every variant has the same order and the same draws.
        self.epochs[name] = self.epochs.get(name, 0) + 1
        outputs.seed(self.epochs[name])
        self.unasked.add(name)
        old = self.iterators.pop(name, None)
        start_ns = now_ns()
        if old is not None and clone.persistent_workers and hasattr(old, "_reset"):
            old._reset(clone)
            self.iterators[name] = old
        else:
            if old is not None and hasattr(old, "_shutdown_workers"):
                old._shutdown_workers()
            self.iterators[name] = loader_clones.iterate(self.module, clone)
        self.started[name] = now_ns() - start_ns
        self.starts += 1

    def _use_cores(self, count: int) -> None:
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

    def _use_threads(self, count: int) -> None:
        torch = sys.modules.get("torch")
        if torch is None:
            return
        if self.threads is None:
            self.threads = torch.get_num_threads()
        torch.set_num_threads(max(min(self.threads, count), 1))


def _proportional_bytes(pid: int) -> int | None:
    """Return a process's proportional set size (/proc/PID/smaps_rollup), or what is resident; None when it is gone."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            return next(int(line.split()[1]) << 10 for line in file if line.startswith("Pss:"))
    except (OSError, StopIteration):
        pass
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return None
