"""Read and analyse runs, as any verb does: what engines call on their workers.

The analysis is imported there alone: where nothing has changed it is not needed."""

from __future__ import annotations

from gpuwatch.errors import GpuwatchError, NotARun
from gpuwatch.fleet.columns import Rows
from gpuwatch.fleet.places import RunPlace
from gpuwatch.records import dataclass


@dataclass(frozen=True, slots=True)
class Unread:
    """A run that gave nothing, and why."""

    path: str
    problem: str


@dataclass(frozen=True, slots=True)
class SplitJob:
    """Run folders that may be of one job: what they call it is the same."""

    key: str
    places: tuple[RunPlace, ...]


def read_rows(place: RunPlace) -> Rows | Unread:
    """Return the rows of a run, or why it has none. Whatever is wrong with one run is no reason to stop."""
    from gpuwatch.build_report import build
    from gpuwatch.fleet.copies import local_copy
    from gpuwatch.fleet.jobs import job_key
    from gpuwatch.fleet.rows import rows_of
    from gpuwatch.store.folder import INFO
    from gpuwatch.store.jobs import read_run

    try:
        with local_copy(place) as path:
            recording = read_run(path)
            if not recording.logs and not (path / INFO).exists():
                raise NotARun(f"{path} has no {INFO}, and an empty event log")
            report = build(recording, with_timeline=False)
            return rows_of(report, place.path, place.fingerprint, place.page, job_key(report, path))
    except GpuwatchError as error:
        return Unread(place.path, error.what)
    except Exception as error:
        return Unread(place.path, " ".join(f"{type(error).__name__}: {error}".split()))


def read_job_rows(split: SplitJob) -> dict[str, Rows]:
    """Return the rows of each run folder that belongs to others; none of one that does not, or cannot be read with them."""
    from gpuwatch.fleet.jobs import rows_together

    return rows_together(split.key, split.places)
