"""Runs experiments in one session: their windows, their share of the budget, and what is known of them so far."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import field, replace
from typing import Any

from gpuwatch.experiments import budget, ceilings, edits, sweep
from gpuwatch.experiments.remedy import Remedy
from gpuwatch.experiments.resuming import Known, still_valid
from gpuwatch.experiments.session import Result, Session, Window
from gpuwatch.model.experiment import Experiment, Trial
from gpuwatch.model.profile import Costs
from gpuwatch.model.report import Report
from gpuwatch.records import dataclass

ROUNDS = 4
MOST_ROUNDS = 8
WINDOW_S = 1.0
SHORTEST_WINDOW_S = 0.25
# What a window costs beside its own time: the arm before it comes to rest, this one warms up. In parts of it.
WARM_UP = 1.0
# About as many windows as a sweep takes.
_SWEEP_WINDOWS = 40


@dataclass(frozen=True, slots=True)
class Progress:
    """What a view may show while an experiment runs: what it is at, windows done of those planned so far, the newest
    window's result, and all that is known. `line`: one that stays (a plan, a note); `round_of`: the remedies of which a
    round has just ended; `beside`: trials of that round which are no single remedy's."""

    doing: str
    done: int
    planned: int
    result: Result | None
    known: Experiment
    line: str = ""
    round_of: tuple[str, ...] = ()
    beside: tuple[Trial, ...] = ()


@dataclass(slots=True)
class Conductor:
    """Runs experiments in one session, plans their rounds by the budget and holds what is known. `show` gets progress;
    `report` is that of the run as it is; `taken` has what each window took in all; `known` is what an earlier experiment
    has measured; `keep` is called when there is something new to keep."""

    session: Session
    experiment: Experiment
    show: Callable[[Progress], None]
    budget_s: float
    report: Report | None = None
    known: Known | None = None
    wanted: Sequence[Remedy] = ()
    of_findings: bool = False
    doing: str = ""
    done: int = 0
    planned: int = 0
    taken: list[tuple[Result, float]] = field(default_factory=list)
    update: Callable[[], None] = lambda: None
    keep: Callable[[], None] = lambda: None
    clock: Callable[[], float] = time.monotonic
    _since: float = 0.0
    _rounds: int = 0

    @property
    def costs(self) -> Costs | None:
        """Return what the throughput model knows of the run as it is."""
        return self.report.costs if self.report else self.known.costs if self.known else None

    @property
    def loop(self) -> dict[str, Any]:
        """Return the facts of the loop, of an earlier experiment while it has not been found in this one."""
        return self.session.loop or (self.known.loop if self.known else {})

    @property
    def outputs(self) -> dict[str, dict[str, Any]]:
        """Return what remedies do to the samples, by arm."""
        return {**(self.known.outputs if self.known else {}), **self.session.outputs}

    def standing(self) -> Known:
        """Return what is known by now, for whoever goes on from here."""
        return Known(
            id=self.experiment.id,
            remedies=tuple(self.wanted),
            of_findings=self.of_findings,
            costs=self.costs,
            loop=self.loop,
            outputs=self.outputs,
            taken=tuple(self.taken),
            code=tuple(self.session.code) or (self.known.code if self.known else ()),
        )

    def resume(self, known: Known, remedies: Sequence[Remedy]) -> None:
        """Go on from what an earlier experiment has measured of these remedies."""
        self.known = known
        self.taken = still_valid(known, remedies)
        self._rounds = 1 + max((result.round for result, _ in self.taken), default=-1)
        if known.experiment is not None:
            earlier = known.experiment
            self.experiment = replace(
                self.experiment, ceilings=earlier.ceilings, balance_cores=earlier.balance_cores, sweep=earlier.sweep,
                edit=earlier.edit,
            )  # fmt: skip

    def next_round(self) -> int:
        """Return the number of a new round; none comes twice, so that windows pair by it whatever ran between."""
        self._rounds += 1
        return self._rounds - 1

    @property
    def results(self) -> list[Result]:
        """Return the windows' results so far."""
        return [result for result, _ in self.taken]

    @property
    def left_s(self) -> float:
        """Return the seconds that are left of the budget."""
        return max(self.session.deadline - self.clock(), 0.0)

    @property
    def spent_s(self) -> float:
        """Return the seconds of the budget that are spent."""
        return self.budget_s - self.left_s

    def run(self, windows: Sequence[Window]) -> list[Result]:
        """Run windows and tell how far they are."""
        self.planned = max(self.planned, self.done + len(windows))
        self._since = self.clock()
        return self.session.run(windows, self._seen)

    def rounds(
        self, make: Callable[[int], Sequence[Window]], enough: Callable[[], bool], share: float = 1.0
    ) -> list[Result]:
        """Run rounds of windows: four, and up to eight until it is `enough`; fewer when `share` of what is left of
        the budget holds no more of them, but never a part of one where that can be foreseen."""
        until = self.clock() + share * self.left_s
        found: list[Result] = []
        self.planned = self.done + ROUNDS * len(make(0))
        for number in range(MOST_ROUNDS):
            begun = self.clock()
            found += self.run(make(number))
            took = self.clock() - begun
            if self.clock() + took > until or (number + 1 >= ROUNDS and enough()):
                if not number:
                    self._note_single(took)
                break
        return found

    def _note_single(self, took_s: float) -> None:
        """Note, once for each experiment, that the budget held a single round."""
        about = f"{self.doing}: the budget held one round"
        if not any(note.startswith(about) for note in self.experiment.notes):
            self.note(f"{about}, which has no interval; {budget.enough(self.spent_s + took_s)} holds two.")

    def window_s(self, windows: int, share: float = 1.0) -> float:
        """Return how long each of `windows` may take so that `share` of what is left of the budget holds them all."""
        fair = share * self.left_s / (max(windows, 1) * (1 + WARM_UP))
        return min(max(fair, SHORTEST_WINDOW_S), WINDOW_S)

    def round_s(self, arms: Sequence[str]) -> float:
        """Return what a round over these arms is expected to take."""
        return budget.round_s(arms, self.taken, budget.window_s(self.report, WINDOW_S))

    def _seen(self, result: Result) -> None:
        now = self.clock()
        self.done += 1
        self.taken.append((result, now - self._since))
        self._since = now
        self.update()
        self.show(Progress(self.doing, self.done, max(self.planned, self.done), result, self.experiment))

    def tell(self, doing: str) -> None:
        """Say what is being done that has no windows."""
        self.doing = doing
        self.show(Progress(doing, self.done, self.planned, None, self.experiment))

    def say(self, line: str) -> None:
        """Show a line that stays."""
        self.show(Progress(self.doing, self.done, self.planned, None, self.experiment, line))

    def round_ended(self, remedies: Sequence[str], beside: Sequence[Trial] = ()) -> None:
        """Show what a round over these remedies has brought, and keep it."""
        known = self.experiment
        with contextlib.suppress(OSError):  # the result itself says later that nothing can be kept
            self.keep()
        self.show(
            Progress(self.doing, self.done, self.planned, None, known, round_of=tuple(remedies), beside=tuple(beside))
        )

    def add_trial(self, trial: Trial) -> None:
        """Keep a trial, in the place of an earlier one of the same remedy."""
        placed = {each.id: each for each in self.experiment.trials} | {trial.id: trial}
        self.experiment = replace(self.experiment, trials=tuple(placed.values()))

    def note(self, text: str) -> None:
        """Show a sentence, and keep it with the result."""
        if text not in self.experiment.notes:
            self.experiment = replace(self.experiment, notes=(*self.experiment.notes, text))
            self.say(text)

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
