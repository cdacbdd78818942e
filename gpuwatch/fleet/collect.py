"""Bring the dataset up to date: read the runs that are new or have changed, and no others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gpuwatch.fleet.dataset import Dataset
from gpuwatch.fleet.engines.base import Engine, ReaderLost
from gpuwatch.fleet.places import find_runs
from gpuwatch.fleet.reading import Unread, read_rows


@dataclass(frozen=True, slots=True)
class Collected:
    """What was read. `read` and `unchanged` are numbers of run folders."""

    read: int
    unchanged: int
    unreadable: tuple[Unread, ...] = ()
    closed: tuple[str, ...] = ()


def collect(
    places: Sequence[str], dataset: Dataset, engine: Engine, say: Callable[[int, int], None] = lambda done, of: None
) -> Collected:
    """Read what is due at some places into the dataset. `say` is called with how many runs are done, of how many."""
    found = find_runs(places, beside=dataset.folder)
    known = dataset.fingerprints()
    due = [run for run in found.runs if known.get(run.path) != run.fingerprint]
    unread: list[Unread] = []
    if due:
        with dataset.writer() as writer:
            for done, (run, result) in enumerate(engine.map(read_rows, due), 1):
                if isinstance(result, ReaderLost):
                    unread.append(Unread(run.path, result.reason))
                elif isinstance(result, Unread):
                    unread.append(result)
                else:
                    writer.add(result)
                say(done, len(due))
    dataset.merge()
    return Collected(
        read=len(due) - len(unread),
        unchanged=len(found.runs) - len(due),
        unreadable=tuple(sorted(unread, key=lambda one: one.path)),
        closed=tuple(sorted(found.closed)),
    )
