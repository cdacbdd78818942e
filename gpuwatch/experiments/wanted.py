"""Which experiments are wanted, and in which order: what may be worth most first."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gpuwatch.experiments import budget, ceilings, earlier, patching, remedies, resuming, trials
from gpuwatch.experiments.conductor import Conductor
from gpuwatch.experiments.observing import Observation
from gpuwatch.experiments.proving import Proving, by_gain
from gpuwatch.experiments.remedy import Remedy
from gpuwatch.experiments.resuming import Known
from gpuwatch.experiments.trials import round_of
from gpuwatch.experiments.uniting import Uniting
from gpuwatch.records import dataclass
from gpuwatch.words.units import count, factor

# The part of the rest of the budget that stays for the ceilings and the sweep when they were asked for beside remedies.
ASKED_SHARE = 0.4
LEAST_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for; nothing named means the remedies that the findings ask for, then the ceilings.

    `names`: of remedies; an empty list are those of the findings, None none at all."""

    command: tuple[str, ...]
    base: Path
    cores: Sequence[int]
    all_cores: int
    ceilings: bool = False
    sweep: bool = False
    names: Sequence[str] | None = None
    fresh: bool = False
    patch: Path | None = None

    @property
    def everything(self) -> bool:
        """Say whether nothing was named."""
        return not (self.ceilings or self.sweep or self.names is not None)

    def run(self, conductor: Conductor) -> None:
        """Run what is wanted within the conductor's budget, and write the patch of what helps, also when interrupted."""
        try:
            self._measure(conductor)
        except KeyboardInterrupt:
            if conductor.experiment.answer is None:
                Uniting(conductor).answer_alone(conductor.wanted)
            raise
        finally:
            if self.patch is not None:
                self._write_patch(conductor, self.patch)

    def _write_patch(self, conductor: Conductor, file: Path) -> None:
        answer, code = conductor.experiment.answer, conductor.standing().code
        if answer is None:
            conductor.note("No patch was written: no remedy is known to help.")
            return
        chosen = [remedy for remedy in conductor.wanted if remedy.name in answer.remedies]
        try:
            made = patching.make(chosen, conductor.loop, code, Path.cwd())
            conductor.experiment = replace(conductor.experiment, patch=patching.write(file, made, answer))
        except OSError as error:
            conductor.note(f"The patch could not be written to {file}: {error.strerror or error}.")

    def _measure(self, conductor: Conductor) -> None:
        known = None if self.fresh else self._known(conductor)
        wanted = self._remedies(conductor, known) if self.names is not None or self.everything else []
        conductor.wanted, conductor.of_findings = wanted, not self.names
        if known is not None:
            conductor.resume(known, wanted)
            conductor.say(_resumed(known, conductor))
        if not self._is_all_known(conductor, wanted):
            if not self._has_loop(conductor):
                return  # the budget ended before it, which whoever conducts says
            self._plan(conductor, wanted)
        if wanted:
            uniting = Uniting(conductor)
            Proving(conductor, ASKED_SHARE if self.ceilings or self.sweep else 0.0, uniting.reserved_s(wanted)).run(
                wanted
            )
            uniting.run(wanted)
        if self.sweep:
            conductor.sweep(self.all_cores)
        if self.ceilings or (self.everything and not conductor.experiment.ceilings and self._has_room(conductor)):
            conductor.ceilings(self.cores or [self.all_cores])

    def _known(self, conductor: Conductor) -> Known | None:
        """Return what an earlier experiment on this command has measured; None, which is said, when the code is another now."""
        known = resuming.find(self.base, self.command)
        if known is None or not known.changed:
            return known
        conductor.say(
            f"{known.id} measured other code ({', '.join(map(os.path.basename, known.changed))}): measuring all again"
        )
        return None

    def _is_all_known(self, conductor: Conductor, wanted: Sequence[Remedy]) -> bool:
        """Say whether earlier experiments have settled all that is wanted, so that no training is needed for it."""
        if self.ceilings or self.sweep or not wanted or conductor.known is None:
            return False
        found = trials.conclude(conductor.results, wanted, conductor.outputs, conductor.loop)
        settled = {trial.id for trial in found if trials.is_settled_trial(trial)}
        return all(remedy.name in settled for remedy in wanted)

    def _has_loop(self, conductor: Conductor) -> bool:
        if not conductor.session.loop and conductor.left_s:
            conductor.tell("starting the training")
            conductor.session.find_loop()
        return bool(conductor.session.loop)

    def _has_room(self, conductor: Conductor) -> bool:
        """Say whether two rounds of the ceilings fit into what is left, which is said when they do not."""
        needed = LEAST_ROUNDS * conductor.round_s([name for name, _ in ceilings.ARMS])
        if needed <= conductor.left_s:
            return True
        conductor.note(
            f"Ceilings were skipped: two rounds need about {needed:.0f} s, {conductor.left_s:.0f} s were left."
        )
        return False

    def _remedies(self, conductor: Conductor, known: Known | None) -> list[Remedy]:
        """Return the remedies to try, the largest predicted gain first, fitted to a run's report where there is one."""
        conductor.tell("looking for an earlier run")
        found = earlier.find_alike(self.command, self.base)
        if found is not None:
            conductor.report = found.report
            conductor.say(f"findings of run {found.report.run.id}" + _differing(found.differences))
        elif before := resuming.remedies_for(known, self.names):
            return by_gain(before)
        else:
            conductor.tell("no earlier run of this command: observing the training first")
            conductor.report = Observation(conductor.session).make()
            if not conductor.session.loop:
                return []
        if self.names:
            return by_gain(remedies.named(self.names, conductor.report))
        asked = by_gain(remedies.asked_for(conductor.report)) if conductor.report else []
        wanted = [remedy for remedy in asked if remedy.predicted is None or remedy.predicted >= 1.0]
        if losing := [remedy for remedy in asked if remedy not in wanted]:
            conductor.say(
                f"left out, since it would lose time: {', '.join(map(_named, losing))}; --remedies"
                f" {','.join(remedy.name for remedy in losing)} measures it"
            )
        if conductor.report is None:
            conductor.note(_unknown(conductor))
        elif asked and not wanted:
            conductor.note("The remedies that the findings name are predicted to lose time: none was tried.")
        elif not wanted:
            conductor.note("The findings ask for no remedy that gpuwatch can apply; name some with --remedies.")
        return wanted

    def _plan(self, conductor: Conductor, wanted: Sequence[Remedy]) -> None:
        """Say what is going to be done, in which order, and whether the budget holds it."""
        parts = [_named(remedy) for remedy in wanted]
        parts += ["loader sweep"] * self.sweep
        parts += ["ceilings"] if self.ceilings else ["ceilings with what is left"] * self.everything
        started = conductor.session.startup_s or 0.0
        conductor.say(
            f"plan: {', then '.join(parts)}; start-up took {started:.0f} s,"
            f" {conductor.left_s:.0f} s are left; it stops when all is known"
        )
        arms = [w.arm for w in round_of(wanted[:1], 0, 0.0)] if wanted else [name for name, _ in ceilings.ARMS]
        needed = LEAST_ROUNDS * conductor.round_s(arms)
        if needed > conductor.left_s:
            whole = budget.enough(conductor.spent_s + needed)
            conductor.note(
                f"{started:.0f} s of start-up: --budget {budget.written(conductor.budget_s)} leaves"
                f" {conductor.left_s:.0f} s; two rounds need about {needed:.0f} s: {whole}."
            )


def _resumed(known: Known, conductor: Conductor) -> str:
    rounds = len({result.round for result in conductor.results})
    return f"going on from {known.id}, which measured {count(rounds, 'round')}; --fresh measures all again"


def _differing(differences: Sequence[str]) -> str:
    return f", whose command differs: {', '.join(differences)}" if differences else ""


def _named(remedy: Remedy) -> str:
    return f"{remedy.name} (predicted {factor(remedy.predicted)})" if remedy.predicted else remedy.name


def _unknown(conductor: Conductor) -> str:
    """Return why the observed run says nothing, with the budget that would let it."""
    observed_s = conductor.spent_s - (conductor.session.startup_s or 0.0)
    if not conductor.session.is_running:
        return (
            "The training ended after too few steps to find what slows it, so no finding asks for a remedy: give it more"
            " data or epochs, or name remedies with --remedies."
        )
    return (
        f"{observed_s:.0f} s of the training were too few steps to find what slows it, so no finding asks for a remedy:"
        f" {budget.enough(3 * conductor.budget_s)}, or name remedies with --remedies."
    )
