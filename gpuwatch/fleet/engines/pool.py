"""The engine that needs nothing else: processes of this machine."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice

from gpuwatch.fleet.engines.base import Item, ReaderLost, Result

_KILLED = "the process that read it was killed"
# Items that are with the pool per worker: none should wait for its next one.
_AHEAD = 2


class Pool:
    """A pool of processes. When one of them is killed all of the pool ends: what they had is tried again, one by one."""

    name = "pool"

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[tuple[Item, Result | ReaderLost]]:
        """See Engine."""
        left, suspects = iter(items), deque[Item]()
        while True:
            lost = yield from self._until_broken(function, left)
            if lost is None:
                break
            suspects += lost
        while suspects:
            yield from self._one_by_one(function, suspects)

    def _until_broken(
        self, function: Callable[[Item], Result], items: Iterator[Item]
    ) -> Generator[tuple[Item, Result], None, list[Item] | None]:
        """Yield results until there are no more items; return those that a pool had when it broke, None of one that did not."""
        with self._executor(self.workers) as pool:
            running: dict[Future[Result], Item] = {}
            try:
                self._submit(pool, function, islice(items, self.workers * _AHEAD), running)
                while running:
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        result = future.result()
                        item = running.pop(future)
                        self._submit(pool, function, islice(items, 1), running)
                        yield item, result
            except BrokenProcessPool:
                return list(running.values())
            finally:
                pool.shutdown(cancel_futures=True)
        return None

    @staticmethod
    def _submit(
        pool: ProcessPoolExecutor,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        running: dict[Future[Result], Item],
    ) -> None:
        for item in items:
            try:
                running[pool.submit(function, item)] = item
            except BrokenProcessPool:
                running[Future()] = item  # taken already, so it must not get lost
                raise

    def _one_by_one(
        self, function: Callable[[Item], Result], items: deque[Item]
    ) -> Iterator[tuple[Item, Result | ReaderLost]]:
        """Yield the results of a single process, until an item kills it."""
        with self._executor(1) as pool:
            while items:
                item = items.popleft()
                try:
                    yield item, pool.submit(function, item).result()
                except BrokenProcessPool:
                    yield item, ReaderLost(_KILLED)
                    return

    @staticmethod
    def _executor(workers: int) -> ProcessPoolExecutor:
        # Not forked: the library that writes the dataset has threads.
        return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _leave_interrupts)


def _leave_interrupts() -> None:
    # A Ctrl-C is for the process that waits for these.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
