"""Proving remedies: the one with the largest predicted gain first, in rounds until each is known or the budget is spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gpuwatch.experiments import budget, trials
from gpuwatch.experiments.conductor import WINDOW_S, Conductor
from gpuwatch.experiments.remedy import Remedy
from gpuwatch.experiments.session import Window
from gpuwatch.model.experiment import Trial
from gpuwatch.records import dataclass

# Remedies that are tried in turns with each other; more at a time would keep more workers in memory.
GROUP = 3
USUAL_ROUNDS, MOST_ROUNDS = 3, 24
# The part of the budget that a group may take while others wait, and that comparing samples may take of the end.
SHARE, COMPARING = 0.6, 0.08


def by_gain(remedies: Sequence[Remedy]) -> list[Remedy]:
    """Return remedies in the order of their predicted gain, those without one last."""
    return sorted(remedies, key=lambda remedy: -(remedy.predicted or 0.0))


@dataclass(slots=True)
class Proving:
    """Tries remedies group after group; `tail_share` of what is left of the budget, and `tail_s` beside it, stay for what
    comes after."""

    conductor: Conductor
    tail_share: float = 0.0
    tail_s: float = 0.0

    def run(self, remedies: Sequence[Remedy]) -> None:
        """Add the remedies' trials; the rounds that were measured stay when it is interrupted."""
        self.conductor.tell("remedies")
        remedies = self._still_open(remedies)
        tail_s = self.tail_share * self.conductor.left_s + self.tail_s
        waiting = list(remedies)
        while waiting:
            left_s = self.conductor.left_s - tail_s - COMPARING * self.conductor.budget_s
            group = waiting[: self._fitting(waiting, left_s)]
            waiting = waiting[len(group) :]
            if left_s < self._round_s(group):
                for remedy in (*group, *waiting):
                    self.conductor.add_trial(trials.unmeasured(remedy, self._too_small((*group, *waiting))))
                break
            self._try(group, left_s * (SHARE if waiting else 1.0))
            if waiting:
                self._go_on([remedy for remedy in group if self._worth(remedy) > self._worth(waiting[0])], tail_s)
        self._go_on(remedies, tail_s)

    def _go_on(self, remedies: Sequence[Remedy], tail_s: float) -> None:
        """Spend what is left on the remedies that are still open, the most promising first, where it may settle them."""
        waiting = self._promising(remedies)
        while waiting:
            # What comes after applies together what helps: nothing does yet, or this one is added to it.
            kept_s = tail_s if any(trial.verdict == "helps" for trial in self.conductor.experiment.trials) else 0.0
            left_s = self.conductor.left_s - kept_s - COMPARING * self.conductor.budget_s
            remedy, waiting = waiting[0], waiting[1:]
            trial = self._trial(remedy)
            if trial is None or trial.ratio is None or trial.verdict != "inconclusive":
                continue
            rounds = trials.rounds_left(trial)
            if rounds is not None and rounds * self._round_s([remedy]) <= left_s:
                self._try([remedy], left_s)

    def _still_open(self, remedies: Sequence[Remedy]) -> list[Remedy]:
        """Add the trials that an earlier experiment has settled; return the other remedies."""
        conductor = self.conductor
        found = trials.conclude(conductor.results, remedies, conductor.outputs, conductor.loop)
        settled = [trial for trial in found if trials.is_settled_trial(trial)]
        for trial in settled:
            conductor.add_trial(trial)
        return [remedy for remedy in remedies if remedy.name not in {trial.id for trial in settled}]

    def _fitting(self, remedies: Sequence[Remedy], left_s: float) -> int:
        """Return with how many remedies a few rounds fit; one at least."""
        counts = range(min(GROUP, len(remedies)), 1, -1)
        return next((n for n in counts if USUAL_ROUNDS * self._round_s(remedies[:n]) <= left_s), 1)

    def _round_s(self, remedies: Sequence[Remedy]) -> float:
        return self.conductor.round_s([window.arm for window in trials.round_of(remedies, 0, 0.0)])

    def _try(self, group: Sequence[Remedy], seconds: float) -> None:
        """Run rounds over a group within `seconds`; a remedy that is known leaves it."""
        conductor, done = self.conductor, self.conductor.experiment.trials

        def update() -> None:
            found = trials.conclude(conductor.results, group, conductor.outputs, conductor.loop)
            placed = {trial.id: trial for trial in done} | {trial.id: trial for trial in found}
            conductor.experiment = replace(conductor.experiment, trials=tuple(placed.values()))

        conductor.update = update
        conductor.planned = conductor.done + USUAL_ROUNDS * len(trials.round_of(group, 0, 0.0))
        unsettled = self._rounds(group, conductor.left_s - seconds)
        conductor.run(trials.closing(group))
        conductor.run([window for remedy in group if self._deserves(remedy) for window in remedy.comparisons()])
        update()
        self._explain(unsettled, group)

    def _rounds(self, group: Sequence[Remedy], end_s: float) -> list[Remedy]:
        """Run rounds until every remedy is known, or `end_s` seconds are left; return those that are not."""
        going = list(group)
        for number in range(MOST_ROUNDS):
            if number:
                going = self._affordable(going, max(USUAL_ROUNDS - number, 1), end_s)
            if number and self.conductor.left_s - self._round_s(going) < end_s:
                break
            self.conductor.run(trials.round_of(going, self.conductor.next_round(), WINDOW_S))
            self.conductor.round_ended([remedy.name for remedy in going])
            settled = [remedy for remedy in going if self._is_settled(remedy)]
            going = [remedy for remedy in going if remedy not in settled]
            if not going or not self.conductor.left_s:
                break
            self.conductor.run([Window(remedy.name, "close") for remedy in settled])
        return [remedy for remedy in group if not self._is_settled(remedy)]

    def _affordable(self, going: Sequence[Remedy], rounds: int, end_s: float) -> list[Remedy]:
        """Return the most promising remedies of which so many more rounds fit; one at least. The others' workers end."""
        left_s, ordered = self.conductor.left_s - end_s, self._promising(going)
        fitting = range(len(ordered), 1, -1)
        number = next((n for n in fitting if rounds * self._round_s(ordered[:n]) <= left_s), 1)
        self.conductor.run([Window(remedy.name, "close") for remedy in ordered[number:]])
        return [remedy for remedy in going if remedy in ordered[:number]]

    def _promising(self, remedies: Sequence[Remedy]) -> list[Remedy]:
        """Return remedies in the order of what they seem to be worth."""
        return sorted(remedies, key=self._worth, reverse=True)

    def _worth(self, remedy: Remedy) -> float:
        """Return the speed-up that was measured of a remedy by now, or else predicted."""
        trial = self._trial(remedy)
        return trial.ratio.median if trial is not None and trial.ratio is not None else remedy.predicted or 1.0

    def _trial(self, remedy: Remedy) -> Trial | None:
        return next((trial for trial in self.conductor.experiment.trials if trial.id == remedy.name), None)

    def _is_settled(self, remedy: Remedy) -> bool:
        trial = self._trial(remedy)
        return trial is not None and trials.is_settled_trial(trial)

    def _deserves(self, remedy: Remedy) -> bool:
        """Say whether what a remedy does to the samples matters: not when it does not help."""
        trial = self._trial(remedy)
        return trial is not None and trial.verdict in ("helps", "inconclusive")

    def _explain(self, unsettled: Sequence[Remedy], group: Sequence[Remedy]) -> None:
        """Say of what is not known which budget would settle it."""
        for remedy in unsettled:
            trial = self._trial(remedy)
            if trial is None:
                self.conductor.add_trial(trials.unmeasured(remedy, self._too_small(group)))
            elif trial.verdict == "inconclusive":
                self.conductor.add_trial(replace(trial, note=f"{trial.note}; {self._settling(remedy, trial)}"))

    def _settling(self, remedy: Remedy, trial: Trial) -> str:
        rounds = trials.rounds_left(trial)
        if rounds is None:
            return "they differ too much for a budget within reach to settle it"
        return f"{budget.enough(self.conductor.spent_s + rounds * self._round_s([remedy]))} would settle it"

    def _too_small(self, remedies: Sequence[Remedy]) -> str:
        needed = self.conductor.spent_s + USUAL_ROUNDS * self._round_s(remedies)
        return f"no round of it fitted into the budget; {budget.enough(needed)} holds some"
