"""What the host was doing at each time, as far as a device waited for it."""

from __future__ import annotations

import numpy as np

from gpuwatch.analyze.gpu_time.calls import Calls, Indices, Mask, named
from gpuwatch.analyze.gpu_time.intervals import Painted, Spans, distinct, paint, union
from gpuwatch.model.trace import Trace
from gpuwatch.words import gpu_trace as words

# What a thread does, from what says least to what decides.
WORKING, LAUNCHING, UNRECORDED, PAGEABLE, SYNC, ALLOCATING, LOADING = range(1, 8)


class Host:
    """The threads of a traced process that launch work or load data."""

    def __init__(self, trace: Trace, calls: Calls) -> None:
        self.trace, self.calls = trace, calls
        self.reads_back, self.pageable = _copies(trace, calls)
        self._waited = self.pageable & _made_by(trace, calls, _outlasts(trace, calls))
        # Doing one of these, a thread keeps the device from more work.
        self._special = (
            (UNRECORDED, _unrecorded(trace, calls)),
            (PAGEABLE, self.pageable),
            (SYNC, calls.sync | self.reads_back),
            (ALLOCATING, calls.allocate),
            (LOADING, calls.loader),
        )
        self._threads = distinct(trace.host.thread[calls.launched | calls.loader | calls.sync])
        self._painted: dict[int, Painted] = {}

    def main_thread(self) -> int:
        """Return the thread that launches most; -1 where none does."""
        threads = self.trace.host.thread[self.calls.launched]
        return int(np.bincount(threads).argmax()) if len(threads) else -1

    def doing(self, thread: int) -> Painted:
        """Return what a thread did; where nothing of it was recorded, what kept the other threads."""
        if thread not in self._painted:
            others = self._threads[self._threads != thread]
            layers = [(code, self._spans(others, mask)) for code, mask in self._special]
            mine = np.array([thread])
            layers += [(WORKING, self._spans(mine, self.calls.work)), (LAUNCHING, self._spans(mine, self._launching()))]
            layers += [(code, self._spans(mine, mask)) for code, mask in self._special]
            self._painted[thread] = paint(layers)
        return self._painted[thread]

    def blocking(self) -> Mask:
        """Say which calls return only when the device is done with what was launched before."""
        return self.calls.sync | self.reads_back | self._waited

    def _launching(self) -> Mask:
        return self.calls.launch | self.calls.graph

    def _spans(self, threads: Indices, mask: Mask) -> Spans:
        host = self.trace.host
        chosen = mask & np.isin(host.thread, threads)
        return union(host.start[chosen], host.end[chosen])


def _copies(trace: Trace, calls: Calls) -> tuple[Mask, Mask]:
    """Say which copy calls read the device's memory back and wait for it, and which copy to it from pageable memory.

    A copy to pinned memory is not waited for by its call; some recorders write no kind of memory."""
    device = trace.device
    is_copy = (device.kind == words.COPY) & (calls.launcher >= 0)
    unpinned = ~named(trace, device, words.PINNED, among=is_copy)
    waited = _outlasts(trace, calls)
    from_device = waited & unpinned & named(trace, device, words.FROM_DEVICE, among=is_copy)
    to_device = named(trace, device, words.PAGEABLE, among=named(trace, device, words.TO_DEVICE, among=is_copy))
    return _made_by(trace, calls, from_device), _made_by(trace, calls, to_device)


def _outlasts(trace: Trace, calls: Calls) -> Mask:
    """Say of which activities the call goes on until they are half done: it waits for them."""
    device, known = trace.device, calls.launcher >= 0
    if not known.any():
        return known
    return known & (trace.host.end[calls.launcher] >= (device.start + device.end) / 2)


def _made_by(trace: Trace, calls: Calls, activities: Mask) -> Mask:
    """Return the copy calls that made some activities."""
    made = np.zeros(len(trace.host), bool)
    made[calls.launcher[activities]] = True
    return made & calls.copy


def _unrecorded(trace: Trace, calls: Calls) -> Mask:
    """Say which calls are copies that ran unrecorded: a recorder that was not asked for copies keeps none."""
    recorded = bool((trace.device.kind == words.COPY).any())
    return np.zeros_like(calls.copy) if recorded else calls.copy
