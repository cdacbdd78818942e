"""Conduct one `gpuwatch try`: its folder, the experiments asked for within the budget, the result kept as a file."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gpuwatch.experiments import ceilings, remedies, sweep
from gpuwatch.experiments.session import Result, Session, Window
from gpuwatch.model import Experiment, LoaderTrial
from gpuwatch.store import folder

RESULT = "experiment.json"
ROUNDS = 4
WINDOW_S = 1.0


@dataclass(frozen=True, slots=True)
class Progress:
    """What a view may show while an experiment runs: what it is at, and windows done of those planned so far."""

    doing: str
    done: int
    planned: int
    result: Result | None


@dataclass(slots=True)
class Conductor:
    """Runs experiments in one session, counts their windows and holds what is known. `show` gets the progress."""

    session: Session
    experiment: Experiment
    show: Callable[[Progress], None]
    doing: str = ""
    done: int = 0
    planned: int = 0
    results: list[Result] = field(default_factory=list)

    def run(self, windows: Sequence[Window]) -> list[Result]:
        """Run windows and tell how far they are."""
        self.planned += len(windows)
        self.show(Progress(self.doing, self.done, self.planned, None))
        return self.session.run(windows, self._seen)

    def _seen(self, result: Result) -> None:
        self.done += 1
        self.results.append(result)
        self.show(Progress(self.doing, self.done, self.planned, result))

    def tell(self, doing: str) -> None:
        """Say what is being done that has no windows."""
        self.doing = doing
        self.show(Progress(doing, self.done, self.planned, None))

    def note(self, text: str) -> None:
        """Keep a sentence with the result."""
        self.experiment = _noted(self.experiment, text)

    def ceilings(self, cores: Sequence[int]) -> None:
        """Add the ceilings at each number of cores; those measured in full stay when it is interrupted."""
        self.doing = "ceilings"
        try:
            self.run(ceilings.plan(cores, ROUNDS, WINDOW_S))
        finally:
            found = ceilings.conclude(self.results, cores)
            self.experiment = replace(self.experiment, ceilings=found, balance_cores=ceilings.balance_cores(found))

    def remedies(self, wanted: Sequence[remedies.Remedy]) -> None:
        """Add the remedies' trials; the rounds that were measured stay when it is interrupted."""
        self.doing = "remedies"
        try:
            self.run(remedies.plan(wanted, WINDOW_S))
        finally:
            trials = remedies.conclude(self.results, wanted, self.session.outputs)
            self.experiment = replace(self.experiment, trials=trials)

    def sweep(self, cores: int) -> None:
        """Add the loader sweep; what was measured stays when it is interrupted."""
        self.doing = "loader sweep"
        # One window tells the loop's settings, from which the sweep starts.
        self.run([Window("now", "real", 0, WINDOW_S / 2)])
        now = sweep.Setting(int(self.session.loop.get("num_workers") or 0))
        search = sweep.Sweep(self.run, now, cores, WINDOW_S)
        try:
            search.search()
        finally:
            rows = search.rows()
            self.experiment = replace(self.experiment, sweep=rows, edit=edit_for(rows, now))


def edit_for(rows: Sequence[LoaderTrial], now: sweep.Setting) -> str | None:
    """Return the edit that makes the knee permanent; None when the loader is there already."""
    knee = next((row for row in rows if row.knee), None)
    if knee is None or (knee.workers, knee.prefetch, knee.threads) == (now.workers, None, None):
        return None
    prefetch = f", prefetch_factor={knee.prefetch}" if knee.prefetch else ""
    return f"DataLoader(..., num_workers={knee.workers}{prefetch})"


def conduct(
    command: Sequence[str],
    base: Path,
    budget_s: float,
    experiments: Callable[[Conductor], None],
    show: Callable[[Progress], None] = lambda progress: None,
    cwd: Path | None = None,
) -> Experiment:
    """Run `experiments` on the command within `budget_s` seconds and keep the result below `base`.

    Ctrl-C ends it with what is known. Raises LoopNotDriven when the command has no loop to experiment on.
    """
    path = folder.create(base, "try").path
    info = folder.new_info(path, tuple(command), "try", "")
    folder.write_info(path, replace(info, experiment={"command": list(command)}))
    start = time.monotonic()
    empty = Experiment(path.name, tuple(command), time.time_ns(), 0.0)
    with Session(command, path, start + budget_s, cwd=cwd) as session:
        conductor = Conductor(session, empty, show)
        try:
            experiments(conductor)
        except KeyboardInterrupt:
            conductor.experiment = _noted(conductor.experiment, "interrupted: this is what was known by then")
        if time.monotonic() >= session.deadline:
            conductor.experiment = _noted(conductor.experiment, "the budget was spent before everything was measured")
    result = replace(conductor.experiment, seconds=time.monotonic() - start)
    (path / RESULT).write_text(json.dumps(dataclasses.asdict(result), indent=1))
    folder.write_info(
        path, replace(info, experiment={"command": list(command)}, ended_ns=time.monotonic_ns(), exit_code=0)
    )
    return result


def _noted(experiment: Experiment, note: str) -> Experiment:
    return replace(experiment, notes=(*experiment.notes, note))
