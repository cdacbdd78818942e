"""Read and analyse one run, as any verb does: what engines call on their workers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gpuwatch.errors import GpuwatchError, NotARun
from gpuwatch.fleet.columns import Rows
from gpuwatch.fleet.places import SPOOL, RunPlace, store_of
from gpuwatch.store.folder import INFO


@dataclass(frozen=True, slots=True)
class Unread:
    """A run that gave nothing, and why."""

    path: str
    problem: str


def read_rows(place: RunPlace) -> Rows | Unread:
    """Return the rows of a run, or why it has none. Whatever is wrong with one run is no reason to stop."""
    from gpuwatch.build_report import build
    from gpuwatch.fleet.rows import rows_of
    from gpuwatch.store.jobs import read_run

    try:
        with _local(place) as path:
            recording = read_run(path)
            if not recording.logs and not (path / INFO).exists():
                raise NotARun(f"{path} has no {INFO}, and an empty event log")
            return rows_of(build(recording, with_timeline=False), place.path, place.fingerprint, place.page)
    except GpuwatchError as error:
        return Unread(place.path, error.what)
    except Exception as error:
        return Unread(place.path, " ".join(f"{type(error).__name__}: {error}".split()))


@contextmanager
def _local(place: RunPlace) -> Iterator[Path]:
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
