"""What reads many runs at once. Each engine calls one function on each item somewhere, and loses nothing but what killed its reader."""

from __future__ import annotations

from gpuwatch.errors import UsageError
from gpuwatch.fleet.engines.base import Engine

ENGINES = ("pool", "dask", "ray")


def engine_named(name: str, workers: int) -> Engine:
    """Return the engine of `NAME` or `NAME:ADDRESS`. Raises UsageError, or Unavailable where its library is missing."""
    kind, _, address = name.partition(":")
    if kind == "pool" and not address:
        from gpuwatch.fleet.engines.pool import Pool

        return Pool(workers)
    if kind == "dask":
        from gpuwatch.fleet.engines.dask import Dask

        return Dask(workers, address or None)
    if kind == "ray":
        from gpuwatch.fleet.engines.ray import Ray

        return Ray(workers, address or None)
    raise UsageError(
        f"no engine {name!r}", f"There are {', '.join(ENGINES)}; dask and ray take an address: dask:HOST:PORT"
    )
