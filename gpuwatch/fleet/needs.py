"""The libraries that only `gpuwatch fleet` needs: imported when asked for, and named where one is missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from gpuwatch.errors import Unavailable

# Library -> the extra of gpuwatch that brings it.
EXTRAS = {
    "duckdb": "fleet",
    "pyarrow": "fleet",
    "pyarrow.parquet": "fleet",
    "fsspec": "fleet",
    "distributed": "dask",
    "ray": "ray",
}


def need(library: str) -> Any:
    """Return a library. Raises Unavailable with the line that installs it."""
    try:
        return import_module(library)
    except ImportError as error:
        missing = (error.name or library).partition(".")[0]
        raise Unavailable(
            f"`gpuwatch fleet` needs {library.partition('.')[0]}, and {missing} is not installed here",
            f"Install it: pip install 'gpuwatch[{EXTRAS[library]}]'",
        ) from error
