"""Read runs on a Dask cluster; without an address on one of this machine's own processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from gpuwatch.errors import GpuwatchError
from gpuwatch.fleet.engines.base import Item, ReaderLost, Result
from gpuwatch.fleet.needs import need

_AHEAD = 4


class Dask:
    """Tasks of `distributed`. A lost worker's tasks are given to others; one that kills its worker each time is given up."""

    name = "dask"

    def __init__(self, workers: int, address: str | None) -> None:
        self.workers, self._address = workers, address
        self._distributed = need("distributed")

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[tuple[Item, Result | ReaderLost]]:
        """See Engine."""
        with self._client() as client:
            left, running = iter(items), {}
            at_once = _AHEAD * max(sum(client.nthreads().values()), self.workers)
            for item in islice(left, at_once):
                running[client.submit(function, item, pure=False)] = item
            ended = self._distributed.as_completed(list(running))
            for future in ended:
                item = running.pop(future)
                yield item, _result(future)
                for other in islice(left, 1):
                    more = client.submit(function, other, pure=False)
                    running[more] = other
                    ended.add(more)

    def _client(self) -> Any:
        own = {"n_workers": self.workers, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
        try:
            return self._distributed.Client(self._address) if self._address else self._distributed.Client(**own)
        except Exception as error:  # an address of no scheduler, no free port, a worker that does not start
            where = f"at {self._address}" if self._address else "here"
            raise GpuwatchError(f"no Dask cluster {where}: {type(error).__name__}: {error}") from error


def _result(future: Any) -> Any:
    try:
        return future.result()
    except Exception as error:  # KilledWorker, a cancelled task, what cannot be sent
        return ReaderLost(f"its Dask task failed: {type(error).__name__}")
