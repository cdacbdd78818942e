"""Which gpuwatch this is."""

from __future__ import annotations

from functools import cache

UNKNOWN = "unknown"


@cache
def own_version() -> str:
    """Return the installed version; `UNKNOWN` for a source tree that is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("gpuwatch")
    except PackageNotFoundError:
        return UNKNOWN
