"""Read runs on a Ray cluster; without an address on one of this machine's own processes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from gpuwatch.errors import GpuwatchError
from gpuwatch.fleet.engines.base import Item, ReaderLost, Result
from gpuwatch.fleet.needs import need

_AHEAD = 4
_TRIES = 3


class Ray:
    """Remote functions of Ray. A lost worker's are tried again elsewhere; one that kills its worker each time is given up."""

    name = "ray"

    def __init__(self, workers: int, address: str | None) -> None:
        self.workers, self._address = workers, address
        self._ray = need("ray")

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[tuple[Item, Result | ReaderLost]]:
        """See Engine."""
        ray = self._ray
        self._start()
        try:
            remote = ray.remote(num_cpus=1, max_retries=_TRIES)(function)
            left = iter(items)
            at_once = int(_AHEAD * max(ray.cluster_resources().get("CPU", 1), self.workers))
            running = {remote.remote(item): item for item in islice(left, at_once)}
            while running:
                done, _ = ray.wait(list(running), num_returns=1)
                item, result = running.pop(done[0]), _result(ray, done[0])
                for other in islice(left, 1):
                    running[remote.remote(other)] = other
                yield item, result
        finally:
            ray.shutdown()

    def _start(self) -> None:
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if self._address is None:
            options |= {"num_cpus": self.workers, "include_dashboard": False}
        else:
            options["address"] = self._address
        try:
            self._ray.init(**options)
        except Exception as error:  # an address of no cluster, another one that this process is part of
            where = f"at {self._address}" if self._address else "here"
            raise GpuwatchError(f"no Ray cluster {where}: {type(error).__name__}: {error}") from error


def _result(ray: Any, reference: Any) -> Any:
    try:
        return ray.get(reference)
    except Exception as error:  # WorkerCrashedError, OutOfMemoryError, what cannot be sent
        return ReaderLost(f"its Ray task failed: {type(error).__name__}")
