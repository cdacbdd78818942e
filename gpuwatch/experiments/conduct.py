"""Conduct one `gpuwatch try`: its folder, the experiments asked for within the budget, the result kept as a file."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gpuwatch.errors import GpuwatchError
from gpuwatch.experiments import ceilings, edits, kept, sweep, trials
from gpuwatch.experiments.remedies import Remedy
from gpuwatch.experiments.session import LoopNotDriven, Result, Session, Window
from gpuwatch.model.experiment import Experiment
from gpuwatch.store import folder
from gpuwatch.words.masking import mask_arguments

ROUNDS = 4
MOST_ROUNDS = 8
WINDOW_S = 1.0
SHORTEST_WINDOW_S = 0.25
# What a window costs beside its own time: the arm before it comes to rest, this one warms up. In parts of it.
WARM_UP = 1.0
# About as many windows as a sweep takes.
_SWEEP_WINDOWS = 40
# Remedies that are tried in turns with each other; more at a time would keep more workers in memory.
GROUP = 3


@dataclass(frozen=True, slots=True)
class Progress:
    """What a view may show while an experiment runs: what it is at, windows done of those planned so far, the newest
    window's result, and all that is known."""

    doing: str
    done: int
    planned: int
    result: Result | None
    known: Experiment


@dataclass(slots=True)
class Conductor:
    """Runs experiments in one session, plans their rounds by the budget and holds what is known. `show` gets progress."""

    session: Session
    experiment: Experiment
    show: Callable[[Progress], None]
    doing: str = ""
    done: int = 0
    planned: int = 0
    results: list[Result] = field(default_factory=list)
    update: Callable[[], None] = lambda: None

    def run(self, windows: Sequence[Window]) -> list[Result]:
        """Run windows and tell how far they are."""
        self.planned = max(self.planned, self.done + len(windows))
        return self.session.run(windows, self._seen)

    def rounds(
        self, make: Callable[[int], Sequence[Window]], enough: Callable[[], bool], share: float = 1.0
    ) -> list[Result]:
        """Run rounds of windows: four, and up to eight until it is `enough`; fewer when `share` of what is left of
        the budget holds no more of them, but never a part of one where that can be foreseen."""
        until = time.monotonic() + share * self.left_s
        found: list[Result] = []
        self.planned = self.done + ROUNDS * len(make(0))
        for number in range(MOST_ROUNDS):
            begun = time.monotonic()
            found += self.run(make(number))
            took = time.monotonic() - begun
            if time.monotonic() + took > until or (number + 1 >= ROUNDS and enough()):
                break
        return found

    def window_s(self, windows: int, share: float = 1.0) -> float:
        """Return how long each of `windows` may take so that `share` of what is left of the budget holds them all."""
        fair = share * self.left_s / (max(windows, 1) * (1 + WARM_UP))
        return min(max(fair, SHORTEST_WINDOW_S), WINDOW_S)

    @property
    def left_s(self) -> float:
        """Return the seconds that are left of the budget."""
        return max(self.session.deadline - time.monotonic(), 0.0)

    def _seen(self, result: Result) -> None:
        self.done += 1
        self.results.append(result)
        self.update()
        self.show(Progress(self.doing, self.done, max(self.planned, self.done), result, self.experiment))

    def tell(self, doing: str) -> None:
        """Say what is being done that has no windows."""
        self.doing = doing
        self.show(Progress(doing, self.done, self.planned, None, self.experiment))

    def note(self, text: str) -> None:
        """Keep a sentence with the result."""
        if text not in self.experiment.notes:
            self.experiment = replace(self.experiment, notes=(*self.experiment.notes, text))

    def ceilings(self, cores: Sequence[int], share: float = 1.0) -> None:
        """Add the ceilings at each number of cores; those measured in full stay when it is interrupted."""
        self.tell("ceilings")

        def update() -> None:
            found = ceilings.conclude(self.results, cores)
            self.experiment = replace(self.experiment, ceilings=found, balance_cores=ceilings.balance_cores(found))

        self.update = update
        for at, count in enumerate(cores):
            part = share / (len(cores) - at)
            window_s = self.window_s(ROUNDS * len(ceilings.ARMS), part)

            def make(number: int, count: int = count, window_s: float = window_s) -> list[Window]:
                return ceilings.round_of(count, number, window_s)

            def enough(count: int = count) -> bool:
                return ceilings.is_known(self.results, count)

            self.rounds(make, enough, part)
            self.run(ceilings.closing(count))

    def remedies(self, wanted: Sequence[Remedy]) -> None:
        """Add the remedies' trials; the rounds that were measured stay when it is interrupted."""
        self.tell("remedies")
        groups = [wanted[at : at + GROUP] for at in range(0, len(wanted), GROUP)]
        self.run([remedy.window("compare") for remedy in wanted if remedy.hook])
        done = self.experiment.trials
        for at, group in enumerate(groups):
            begun = len(self.results)

            def known(group: Sequence[Remedy] = group, begun: int = begun) -> tuple[Any, ...]:
                return trials.conclude(self.results[begun:], group, self.session.outputs, self.session.loop)

            def update(known: Callable[[], tuple[Any, ...]] = known, done: tuple[Any, ...] = done) -> None:
                self.experiment = replace(self.experiment, trials=(*done, *known()))

            part = 1.0 / (len(groups) - at)
            window_s = self.window_s(ROUNDS * len(trials.round_of(group, 0, 0.0)), part)

            def make(number: int, group: Sequence[Remedy] = group, window_s: float = window_s) -> list[Window]:
                return trials.round_of(group, number, window_s)

            self.update = update
            self.rounds(make, lambda known=known: trials.are_known(known()), part)  # type: ignore[misc]
            self.run(trials.closing(group))
            done = self.experiment.trials

    def sweep(self, cores: int) -> None:
        """Add the loader sweep; what was measured stays when it is interrupted."""
        self.tell("loader sweep")
        # One short window tells the loop's settings, from which the sweep starts.
        self.run([Window("now", "real", 0, WINDOW_S / 2), Window("now", "close")])
        now = sweep.Setting(int(self.session.loop.get("num_workers") or 0))
        search = sweep.Sweep(self.run, self.rounds, now, cores, self.window_s(_SWEEP_WINDOWS))

        def update() -> None:
            self.experiment = replace(self.experiment, sweep=search.rows())

        self.update = update
        try:
            search.search()
        finally:
            update()
            self.experiment = replace(
                self.experiment, edit=edits.for_sweep(self.experiment.sweep, now, self.session.loop)
            )


def conduct(
    command: Sequence[str],
    base: Path,
    budget_s: float,
    experiments: Callable[[Conductor], None],
    show: Callable[[Progress], None] = lambda progress: None,
    cwd: Path | None = None,
    asked_as: Sequence[str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Experiment:
    """Run `experiments` on the command within `budget_s` seconds and keep the result below `base`.

    `asked_as` is the command as the user gave it, by which reports find the result. Ctrl-C, SIGTERM and SIGHUP end
    it with what is known. Raises LoopNotDriven when the command has no loop to experiment on, GpuwatchError when it
    cannot be started or nothing can be written."""
    asked = tuple(asked_as or command)
    created = folder.create(base, "try")
    path = created.path
    info = replace(folder.new_info(path, asked, "try", ""), experiment={"command": list(mask_arguments(asked))})
    folder.write_info(path, info)
    start = time.monotonic()
    empty = Experiment(path.name, mask_arguments(asked), time.time_ns(), 0.0)
    with _signals_interrupt(), Session(command, path, start + budget_s, cwd=cwd, environment=environment) as session:
        conductor = Conductor(session, empty, show)
        if created.note:
            conductor.note(created.note)
        _run(conductor, experiments)
    result = replace(conductor.experiment, seconds=time.monotonic() - start)
    try:
        kept.write(path, result)
        folder.write_info(path, replace(info, ended_ns=time.monotonic_ns(), exit_code=0, state="finished"))
    except OSError as error:
        result = replace(result, notes=(*result.notes, f"the result could not be kept: {error.strerror or error}"))
    return result


def _run(conductor: Conductor, experiments: Callable[[Conductor], None]) -> None:
    """Run the experiments; whatever ends them early becomes a note once something is known."""
    session = conductor.session
    try:
        experiments(conductor)
    except KeyboardInterrupt:
        conductor.note("Interrupted: this is what was known by then.")
    except LoopNotDriven:
        raise
    except GpuwatchError as error:
        if not _knows(conductor.experiment):
            raise
        conductor.note(f"Ended early: {error}.")
    if time.monotonic() >= session.deadline:
        conductor.note("The budget was spent before everything was measured: --budget gives more.")
        if not session.loop:
            raise LoopNotDriven(
                "no loop over a torch DataLoader got going within the budget",
                "If the script takes long to start, give it more time with --budget",
            )
    if int(session.loop.get("ranks") or 1) > 1:
        conductor.note("Measured on rank 0; the other ranks wait for it in their collectives.")


def _knows(experiment: Experiment) -> bool:
    return bool(experiment.ceilings or experiment.trials or experiment.sweep)


@contextlib.contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the experiment as Ctrl-C does, so that no training stays behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
