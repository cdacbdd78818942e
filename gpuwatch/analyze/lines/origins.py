"""Where the user's own code makes what a library then runs: transforms, and the dataset of each loader."""

from __future__ import annotations

from collections import defaultdict

from gpuwatch.analyze.lines.frames import Frame
from gpuwatch.analyze.numbers.arrays import as_list
from gpuwatch.analyze.processes.sorting import Iterator, Processes
from gpuwatch.words.source_code import is_library


class Origins:
    """The user's lines that make library objects, as frames whose function is the class made there."""

    def __init__(self, processes: Processes) -> None:
        self.transforms = _transforms(processes)
        self._datasets = _datasets(processes)

    def dataset(self, pid: int) -> Frame | None:
        """Return the line that makes the library dataset from which a process makes its samples; None for the user's."""
        return self._datasets.get(pid)


def _transforms(processes: Processes) -> dict[str, Frame]:
    """Return where the user's own code makes each library transform, by class; those made in one place only."""
    made: dict[str, set[Frame]] = defaultdict(set)
    for log in (*(worker.log for worker in processes.workers), *(trainer.log for trainer in processes.trainers)):
        for op in log.table("op").dicts():
            if op.get("kind") == "transform" and op.get("file") and not is_library(str(op["file"])):
                name = str(op.get("name")).rpartition(".")[2]
                made[name].add(Frame(str(op.get("function") or "<module>"), str(op["file"]), int(op.get("line") or 0)))
    return {name: next(iter(places)) for name, places in made.items() if len(places) == 1}


def _datasets(processes: Processes) -> dict[int, Frame]:
    """Return per pid that makes samples of a library's dataset where that is made; of several made, none."""
    made: dict[int, set[Frame | None]] = defaultdict(set)
    for trainer in processes.trainers:
        for iterator in trainer.iterators:
            pids = [pid for _, pid in iterator.workers] if iterator.worker_count else [trainer.log.pid]
            for pid in pids:
                made[pid].add(_dataset(iterator))
    single = {pid: next(iter(places)) for pid, places in made.items() if len(places) == 1}
    return {pid: place for pid, place in single.items() if place is not None}


def _dataset(iterator: Iterator) -> Frame | None:
    """Return where a library's dataset is made: its constructor's line, else the line of its loader's."""
    recorded = iterator.attributes
    if not recorded.get("dataset_file") or not is_library(str(recorded["dataset_file"])):
        return None
    name, made = str(recorded.get("dataset") or "dataset"), as_list(recorded.get("dataset_made"))
    if len(made) == 2:
        return Frame(name, str(made[0]), int(made[1]))
    place = iterator.made_place
    return Frame(name, place.file, place.line) if place and place.line and not is_library(place.file) else None
