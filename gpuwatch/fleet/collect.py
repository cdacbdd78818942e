"""Bring the dataset up to date: read the runs that are new or have changed, and no others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from gpuwatch.fleet.columns import Rows, storable
from gpuwatch.fleet.dataset import Dataset, Known, Writer
from gpuwatch.fleet.engines.base import Engine, ReaderLost
from gpuwatch.fleet.places import RunPlace, find_runs
from gpuwatch.fleet.reading import SplitJob, Unread, read_job_rows, read_rows
from gpuwatch.records import dataclass


@dataclass(frozen=True, slots=True)
class Collected:
    """What was read. `read` and `unchanged` are numbers of run folders."""

    read: int
    unchanged: int
    unreadable: tuple[Unread, ...] = ()
    closed: tuple[str, ...] = ()


# Runs that have some ranks of a job: what the job is known by -> each with its rows, as read by itself.
_Split = dict[str, list[tuple[RunPlace, Rows]]]


def collect(
    places: Sequence[str], dataset: Dataset, engine: Engine, say: Callable[[int, int], None] = lambda done, of: None
) -> Collected:
    """Read what is due at some places into the dataset. `say` is called with how many runs are done, of how many."""
    found = find_runs(places, beside=dataset.folder)
    known = dataset.known()
    due = [run for run in found.runs if _is_due(run, known)]
    unread: list[Unread] = []
    if due:
        with dataset.writer() as writer:
            split: _Split = defaultdict(list)
            for done, (run, result) in enumerate(engine.map(read_rows, due), 1):
                if isinstance(result, ReaderLost):
                    unread.append(Unread(run.path, result.reason))
                elif isinstance(result, Unread):
                    unread.append(result)
                else:
                    _keep(run, result, writer, split)
                say(done, len(due))
            _read_jobs(split, _others(found.runs, known, due), engine, writer)
    dataset.merge()
    return Collected(
        read=len(due) - len(unread),
        unchanged=len(found.runs) - len(due),
        unreadable=tuple(sorted(unread, key=lambda one: one.path)),
        closed=tuple(sorted(found.closed)),
    )


def _is_due(run: RunPlace, known: Mapping[str, Known]) -> bool:
    before = known.get(storable(run.path))
    return before is None or before.going_on or before.fingerprint != run.fingerprint


def _keep(run: RunPlace, rows: Rows, writer: Writer, split: _Split) -> None:
    job = rows["runs"][0]["job_key"]
    if job is None:
        writer.add(rows)
    else:
        split[job].append((run, rows))


def _others(runs: Sequence[RunPlace], known: Mapping[str, Known], due: Sequence[RunPlace]) -> dict[str, list[RunPlace]]:
    """Return the runs that have not changed, by what their job is known by."""
    others: dict[str, list[RunPlace]] = defaultdict(list)
    read_now = {run.path for run in due}
    for run in runs:
        before = known.get(storable(run.path))
        if run.path not in read_now and before is not None and before.job is not None:
            others[before.job].append(run)
    return others


def _read_jobs(split: _Split, others: Mapping[str, list[RunPlace]], engine: Engine, writer: Writer) -> None:
    """Write runs that are of one job with what they have in common; those that belong to no other as they were read."""
    asked = [
        SplitJob(key, (*(run for run, _ in own), *others.get(key, ())))
        for key, own in split.items()
        if len(own) + len(others.get(key, ())) > 1
    ]
    for job, result in engine.map(read_job_rows, asked) if asked else ():
        together = {} if isinstance(result, ReaderLost) else result
        alone = {run.path: rows for run, rows in split.pop(job.key)}
        for rows in (alone | together).values():
            writer.add(rows)
    for own in split.values():
        for _, rows in own:
            writer.add(rows)
