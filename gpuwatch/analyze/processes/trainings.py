"""Which training processes belong together: the ranks of one training, and the several trainings of one run.

A shell script may train one model after the other, or two at once. Their times have no mean that says anything: a report
is about one of them, the longest that trains, and lists the others with their own verdicts.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np

from gpuwatch.analyze.numbers.arrays import numbers
from gpuwatch.analyze.processes.sorting import Processes, Trainer, number_ranks

Group = list[Trainer]
# Of a run that still goes on, a training that has said nothing for so long is over.
_QUIET_NS = 30 * 10**9


def find_trainings(trainers: list[Trainer]) -> list[Group]:
    """Return the trainings, the first to start first, each with its ranks in order."""
    alone = [[trainer] for trainer in trainers if trainer.world_size <= 1]
    together: dict[tuple[int, str, object], Group] = defaultdict(list)
    for trainer in trainers:
        if trainer.world_size > 1:
            # One launcher starts the ranks of a host; each host, and under some launchers each rank, has its own.
            key = (trainer.world_size, trainer.host, trainer.log.header.get("ppid"))
            together[key].append(trainer)
    for group in (*alone, *together.values()):
        number_ranks(group)
    parts = [part for group in together.values() for part in _rounds(group)]
    groups = alone + _merged(sorted(parts, key=_start))
    return [sorted(group, key=lambda trainer: trainer.rank) for group in sorted(groups, key=_start)]


def _rounds(group: Group) -> list[Group]:
    """Split what one launcher started into its rounds: torchrun restarts all ranks when one has failed."""
    rounds: list[Group] = []
    for trainer in sorted(group, key=lambda trainer: trainer.start_ns):
        if not rounds or trainer.rank in {other.rank for other in rounds[-1]}:
            rounds.append([])
        rounds[-1].append(trainer)
    return rounds


def _merged(parts: list[Group]) -> list[Group]:
    merged: list[Group] = []
    for part in parts:
        home = next((group for group in merged if _completes(group, part)), None)
        if home is None:
            merged.append(part)
        else:
            home += part
    return merged


def _completes(group: Group, part: Group) -> bool:
    """Say whether `part` holds other ranks of the same training: as many ranks in all, at the same time."""
    if group[0].world_size != part[0].world_size or {t.rank for t in group} & {t.rank for t in part}:
        return False
    return _start(part) < _end(group) and _start(group) < _end(part)


def chief(groups: list[Group], goes_on: bool) -> int:
    """Return the position of the training that a report is about: the longest that trains; of a run that still goes
    on, of those that do."""
    if len(groups) == 1:
        return 0
    newest = max(_end(group) for group in groups)
    alive = [n for n, group in enumerate(groups) if not goes_on or _end(group) > newest - _QUIET_NS]
    return max(alive, key=lambda n: (_trains(groups[n]), looped_seconds(groups[n])))


def only(processes: Processes, group: Group) -> Processes:
    """Return the processes of one training; those of the others are left out."""
    mine = {id(worker) for trainer in group for workers in trainer.workers.values() for worker in workers}
    theirs = {
        id(worker)
        for trainer in processes.trainers
        for workers in trainer.workers.values()
        for worker in workers
        if id(worker) not in mine
    }
    workers = [worker for worker in processes.workers if id(worker) not in theirs]
    return replace(processes, trainers=group, workers=workers)


def seconds_of(group: Group) -> float:
    """Return how long a training took, from its first process' start to its last one's end."""
    return (_end(group) - _start(group)) / 1e9


def looped_seconds(group: Group) -> float:
    """Return about how long a training's loops took: a process that starts the real trainers and waits for them, or one
    that sleeps after a few batches, is not long for that."""
    return max(_usual_step_s(trainer) * len(trainer.log.table("batch")) for trainer in group)


def _usual_step_s(trainer: Trainer) -> float:
    given = numbers(trainer.log.table("batch"), "t1")
    steps = np.diff(given[np.isfinite(given)])
    return float(np.median(steps)) / 1e9 if len(steps) else 0.0


def _trains(group: Group) -> bool:
    tables = [trainer.log.table(kind) for trainer in group for kind in ("batch", "tail")]
    return any(np.nansum(numbers(table, name)) > 0 for table in tables for name in ("backward_n", "optimizer_n"))


def _start(group: Group) -> float:
    return min(trainer.start_ns for trainer in group)


def _end(group: Group) -> float:
    return max(trainer.end_ns for trainer in group)
