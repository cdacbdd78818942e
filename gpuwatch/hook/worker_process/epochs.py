"""One epoch of a worker: what it delivered, when its data ended, its memory, and digests of a few of its batches.

The batches looked at are the same ones in each worker (the first, second, third, fifth, ninth ...), so that workers can be
compared; fewer where a look would cost more than a thousandth of the worker's time.
"""

from __future__ import annotations

import os
import time

from ..event_log import spool
from ..event_log.cpu_mask import mask
from ..process import TYPE_CHECKING, process
from . import caches
from .digests import digest
from .state import worker

if TYPE_CHECKING:
    from typing import Any

_now = time.monotonic_ns
_LAST_LOOK = 64
# Then what is known is written: a stream without an end is never at its end, and its workers are killed.
_INTERIM = (9, 65)
_SHARE, _FREE_NS = 1000, 400_000
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class WorkerEpoch:
    """What is known of the worker's current epoch. `compares`: whether batches are looked at; `warm`: whether one was, which
    costs the process some milliseconds once."""

    __slots__ = (
        "batches", "before", "begun_ns", "compares", "dataset", "digests", "ended", "ended_ns", "looked_ns", "next_look", "number",
        "resident", "started_ns", "warm",
    )  # fmt: skip

    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """Be in no epoch: a process that was forked to be a worker begins one."""
        self.number = -1
        self.looked_ns = self.started_ns = 0
        self.compares = self.warm = False
        self._clear()

    def begin(self) -> None:
        """Begin the next epoch."""
        self._clear()
        self.number += 1
        self.begun_ns = _now()
        self.started_ns = self.started_ns or self.begun_ns
        self.resident = _resident_bytes()

    def _clear(self) -> None:
        self.begun_ns = self.batches = 0
        self.ended = False
        self.next_look = 1
        self.resident = None
        self.ended_ns: int | None = None
        self.digests: list[list[int | None]] = []
        self.dataset: object = None
        self.before: caches.Census = {}

    def meet(self, dataset: object) -> None:
        """Count what the dataset keeps before it makes the epoch's first sample."""
        if self.dataset is None:
            self.dataset, self.before = dataset, caches.census(dataset)

    def delivered(self, batch: object) -> None:
        """Count a batch that was sent, and look at it when it is one of those."""
        self.batches += 1
        if self.batches < self.next_look:
            return
        self.next_look = 2 * self.batches - 1 if self.batches > 1 else 2
        if self.batches > _LAST_LOOK:
            self.next_look = 1 << 62
        mask.write("batch")
        begun_ns = _now()
        if self.compares and (self.looked_ns - _FREE_NS) * _SHARE <= begun_ns - self.started_ns:
            self.digests.append([self.batches, *digest(batch)])
            if self.warm:
                self.looked_ns += _now() - begun_ns
            self.warm = True
            if self.batches in _INTERIM:
                self._write([], 0)

    def message(self, item: Any) -> None:
        """Take what the worker sends that is no batch: that its data is at an end, or that a new epoch begins."""
        names = [type(part).__name__ for part in item[:2]] if type(item) is tuple else []
        if "_IterableDatasetStopIteration" in names:
            self.ended_ns = _now()
            self.end()
        elif "_ResumeIteration" in names:
            self.end()
            self.begin()

    def end(self) -> None:
        """Append the event of this epoch as its last, unless that was done: a worker may be killed where it waits."""
        if not self.ended:
            self.ended = True
            self._write(self._kept(), 1)

    def _kept(self) -> list[list[Any]]:
        try:
            return caches.grown(self.before, caches.census(self.dataset)) if self.dataset is not None else []
        except Exception:  # an object of the user's that has no attributes to list: the rest is known
            return []

    def _write(self, kept: list[list[Any]], last: int) -> None:
        spool.event(
            "worker_epoch", _now(), worker.number, self.number, self.begun_ns, self.ended_ns, self.batches,
            self.resident, _resident_bytes(), self.digests, kept, last,
        )  # fmt: skip


epoch = process.own(WorkerEpoch())


def _resident_bytes() -> int | None:
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return None
