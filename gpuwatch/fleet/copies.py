"""A run as a local folder, wherever it lies."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gpuwatch.fleet.places import SPOOL, RunPlace, store_of
from gpuwatch.store.folder import INFO


@contextmanager
def local_copy(place: RunPlace) -> Iterator[Path]:
    """Give the run as a local folder: a copy, for the time it is read, where it lies in an object store."""
    if not place.is_url:
        yield Path(place.path)
        return
    system, root = store_of(place.path)
    with tempfile.TemporaryDirectory(prefix="gpuwatch-") as folder:
        run = Path(folder) / (root.rstrip("/").rpartition("/")[2] or "run")
        (run / SPOOL).mkdir(parents=True)
        system.get_file(f"{root}/{INFO}", str(run / INFO))
        for remote in system.ls(f"{root}/{SPOOL}", detail=False):
            name = str(remote).rpartition("/")[2]
            if name not in ("", ".", ".."):
                system.get_file(remote, str(run / SPOOL / name))
        yield run
