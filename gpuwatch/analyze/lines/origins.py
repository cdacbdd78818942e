"""Where the user's own code makes what a library then runs: transforms, and the dataset of each loader."""

from __future__ import annotations

from collections import Counter, defaultdict

from gpuwatch.analyze.lines.frames import Frame
from gpuwatch.analyze.processes.sites import Site, is_foreign, site_of, started_program
from gpuwatch.analyze.processes.sorting import Processes
from gpuwatch.model.measures import Place


class Origins:
    """The lines that make library objects, as frames whose function is the class made there. `program`: the installed
    package that was started; its lines count where the user has none."""

    def __init__(self, processes: Processes) -> None:
        self.program = next((found for trainer in processes.trainers if (found := started_program(trainer.log))), None)
        self.transforms = _transforms(processes, self.program)
        self._sites = _sites(processes, self.program)

    def site(self, pid: int, activity: str) -> Frame | None:
        """Return the line that makes what a process loads with: its library's dataset where that is known, else its loader."""
        found = self._sites.get(pid)
        if found is None:
            return None
        return _frame((found.dataset if activity == "fetch" else None) or found.loader)


def _frame(place: Place | None) -> Frame | None:
    return Frame(place.function or "<module>", place.file, place.line) if place else None


def _transforms(processes: Processes, program: str | None) -> dict[str, Frame]:
    """Return where the user's code, or the program's, makes each library transform, by class; of one place only."""
    made: dict[str, set[Frame]] = defaultdict(set)
    for log in (*(worker.log for worker in processes.workers), *(trainer.log for trainer in processes.trainers)):
        for op in log.table("op").dicts():
            if op.get("kind") == "transform" and op.get("file") and not is_foreign(str(op["file"]), program):
                name = str(op.get("name")).rpartition(".")[2]
                made[name].add(Frame(str(op.get("function") or "<module>"), str(op["file"]), int(op.get("line") or 0)))
    return {name: next(iter(places)) for name, places in made.items() if len(places) == 1}


def _sites(processes: Processes, program: str | None) -> dict[int, Site]:
    """Return per pid what it loads with; of several loaders in one process, the one with most batches."""
    made: dict[int, dict[Site, float]] = defaultdict(lambda: defaultdict(float))
    for trainer in processes.trainers:
        batches = Counter(trainer.log.table("batch").column("iterator")) if len(trainer.iterators) > 1 else {}
        for iterator in trainer.iterators:
            pids = [pid for _, pid in iterator.workers] if iterator.worker_count else [trainer.log.pid]
            for pid in pids:
                made[pid][site_of(iterator, program)] += 1 + batches.get(iterator.id, 0)
    return {pid: max(sites, key=lambda site: sites[site]) for pid, sites in made.items()}
