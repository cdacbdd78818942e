"""The answer: the remedies that help, applied together and measured as one.

They interact: what one removes the other cannot remove again, and a limit behind the first one shows only then. So gains
are neither added nor multiplied, but measured: beside the unchanged loader and beside the best remedy alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from gpuwatch.experiments import pairing, trials
from gpuwatch.experiments.conductor import WINDOW_S, Conductor
from gpuwatch.experiments.predicting import of_union
from gpuwatch.experiments.remedy import Remedy
from gpuwatch.model.experiment import Answer, LeftOut, Trial
from gpuwatch.model.measures import Interval
from gpuwatch.records import dataclass

USUAL_ROUNDS, MOST_ROUNDS = 3, 8
# An interval this wide, in parts of its middle, is good enough for an answer.
TIGHT = 0.3
# A gain from which on it is worth the rounds to prove on top of another what is not proven alone.
LIKELY = 1.1
# The largest part of what is left of the budget that is kept for it while single remedies are tried.
MOST_SHARE = 0.3
_ITEMS_MADE = ("scaled-decode", "faster-decoder", "shrink-first", "resize-before-float", "batched-fetch")
# Of each pair one leaves the other nothing to do, or undoes it.
_ALTERNATIVES = frozenset(
    frozenset(pair)
    for pair in (
        *(("cache-items", made) for made in _ITEMS_MADE),
        ("scaled-decode", "faster-decoder"),
        ("shrink-first", "resize-before-float"),
        ("packed-batches", "uint8-batches"),
        ("foreach-optimizer", "fused-optimizer"),
        ("pinned-memory", "non-blocking-copies"),
    )
)
_OF_WORKERS = frozenset(("prefetch_factor", "persistent_workers", "in_order"))


def are_alternatives(one: Remedy, other: Remedy) -> bool:
    """Say whether only one of two remedies can be applied, or does anything beside the other."""
    if frozenset((one.name, other.name)) in _ALTERNATIVES:
        return True
    shared = one.loader.keys() & other.loader.keys()
    return any(one.loader[name] != other.loader[name] for name in shared) or any(
        first.loader.get("num_workers") == 0 and _needs_workers(second)
        for first, second in ((one, other), (other, one))
    )


def _needs_workers(remedy: Remedy) -> bool:
    return bool(_OF_WORKERS & remedy.loader.keys()) or remedy.hook in ("single-threaded-workers", "worker-affinity")


def choose(helping: Iterable[tuple[Remedy, Trial]]) -> tuple[list[Remedy], list[LeftOut]]:
    """Return the remedies to unite, the largest measured gain first, and those that cannot be among them, with why."""
    chosen: list[Remedy] = []
    left_out: list[LeftOut] = []
    for remedy, trial in sorted(helping, key=lambda pair: -(pair[1].ratio.median if pair[1].ratio else 0.0)):
        rival = next((other for other in chosen if are_alternatives(remedy, other)), None)
        if trial.outputs == trials.FREEZES_DRAWS:
            left_out.append(LeftOut(remedy.name, "freezes draws"))
        elif rival is not None:
            left_out.append(LeftOut(remedy.name, "alternative", rival.name))
        else:
            chosen.append(remedy)
    return chosen, left_out


def _is_likely(trial: Trial) -> bool:
    """Say whether a trial came to no verdict, but more likely than not to a gain."""
    return (
        trial.verdict == "inconclusive"
        and trial.ratio is not None
        and trial.ratio.n > 1
        and trial.ratio.median >= LIKELY
    )


def unite(remedies: Sequence[Remedy]) -> Remedy:
    """Return one remedy that applies several."""
    loader = {name: value for remedy in remedies for name, value in remedy.loader.items()}
    name = " + ".join(remedy.name for remedy in remedies)
    return Remedy(name, loader=loader, epochs=any(remedy.epochs for remedy in remedies), parts=tuple(remedies))


@dataclass(slots=True)
class Uniting:
    """Measures the remedies that help as one, in rounds with the unchanged loader and the best of them alone."""

    conductor: Conductor

    def reserved_s(self, remedies: Sequence[Remedy]) -> float:
        """Return the seconds to keep for it while these remedies are tried."""
        if len(remedies) < 2:
            return 0.0
        return min(USUAL_ROUNDS * self._round_s(remedies[:2]), MOST_SHARE * self.conductor.left_s)

    def run(self, remedies: Sequence[Remedy]) -> None:
        """Add the answer, if anything helps; it is the best alone until all together are measured."""
        chosen, left_out = self.answer_alone(remedies)
        if not chosen:
            return
        best, likely = chosen[0], self._likely(remedies, chosen)
        chosen += likely
        if len(chosen) == 1:
            self._narrow(best)
            self.answer_alone(remedies)
            return
        whole = unite(chosen)
        alone = (
            best if best.epochs == whole.epochs else replace(unite([best]), name=f"{best.name}, epochs", epochs=True)
        )
        found = self._measured(whole, alone, bool(likely))
        if found is not None and self._adds(found, whole, alone, bool(likely)):
            self._answer(chosen, found, left_out)
        elif likely:
            self._refresh(best)
            self.answer_alone(remedies)
        elif found is not None:
            self._refresh(best)
            idle = [LeftOut(remedy.name, "adds nothing", best.name) for remedy in chosen[1:]]
            self._answer([best], self._helping()[best.name], [*left_out, *idle])

    def answer_alone(self, remedies: Sequence[Remedy]) -> tuple[list[Remedy], list[LeftOut]]:
        """Add the best remedy alone as the answer; return those to unite, it first, and those that cannot be among them."""
        known = self._helping()
        chosen, left_out = choose((remedy, known[remedy.name]) for remedy in remedies if remedy.name in known)
        self.conductor.experiment = replace(self.conductor.experiment, answer=None)
        if chosen:
            missing = [LeftOut(remedy.name, "not measured together", chosen[0].name) for remedy in chosen[1:]]
            self._answer(chosen[:1], known[chosen[0].name], [*left_out, *missing])
        return chosen, left_out

    def _likely(self, remedies: Sequence[Remedy], chosen: Sequence[Remedy]) -> list[Remedy]:
        """Return remedies that probably help, to be proven on top of the only one that is known to."""
        if len(chosen) != 1:
            return []
        likely = {trial.id: trial for trial in self.conductor.experiment.trials if _is_likely(trial)}
        found, _ = choose((remedy, likely[remedy.name]) for remedy in remedies if remedy.name in likely)
        return [remedy for remedy in found if not are_alternatives(remedy, chosen[0])]

    def _helping(self) -> dict[str, Trial]:
        return {trial.id: trial for trial in self.conductor.experiment.trials if trial.verdict == "helps"}

    def _measured(self, whole: Remedy, alone: Remedy, certain: bool) -> Trial | None:
        """Return the trial of all together; None when the budget held no two rounds of it, or it could not run."""
        self.conductor.tell("together")
        if self._rounds((whole, alone), 0.0, lambda: not certain or pairing.is_settled(self._beside(whole, alone))):
            self.conductor.run(whole.comparisons())
        found = self._trial(whole)
        return found if found and found.verdict != "failed" and found.ratio and found.ratio.n > 1 else None

    def _narrow(self, best: Remedy) -> None:
        """Run more rounds of the one remedy that is the answer, until its interval says how much it is worth."""
        self.conductor.tell("the answer")
        self._rounds((best,), (1.0 - MOST_SHARE) * self.conductor.left_s)
        self._refresh(best)

    def _refresh(self, best: Remedy) -> None:
        """Have the trial of a remedy rest on all rounds that it had."""
        found = self._trial(best)
        if found is not None:
            self.conductor.add_trial(found)

    def _rounds(self, arms: Sequence[Remedy], end_s: float, enough: Callable[[], bool] = lambda: True) -> bool:
        """Run rounds until the first of some remedies is known well, or `end_s` seconds are left; say whether there were any."""
        conductor = self.conductor
        conductor.planned = conductor.done + USUAL_ROUNDS * len(trials.round_of(arms, 0, 0.0))
        conductor.update = lambda: None
        begun = conductor.done
        for _ in range(MOST_ROUNDS):
            found = self._trial(arms[0])
            known = found is not None and self._is_known(found) and enough()
            if known or conductor.left_s - self._round_s(arms) < end_s:
                break
            conductor.run(trials.round_of(arms, conductor.next_round(), WINDOW_S))
            found = self._trial(arms[0])
            conductor.round_ended([], [found] if found else [])
        if conductor.done > begun:
            conductor.run(trials.closing(arms))
        return conductor.done > begun

    def _is_known(self, found: Trial) -> bool:
        rounds = found.ratio.n if found.ratio else 0
        good = found.verdict != "helps" or rounds >= MOST_ROUNDS or pairing.is_tight(found.ratio, TIGHT)
        return trials.is_settled_trial(found) and good

    def _trial(self, whole: Remedy) -> Trial | None:
        conductor = self.conductor
        return next(iter(trials.conclude(conductor.results, [whole], conductor.outputs, conductor.loop)), None)

    def _adds(self, found: Trial, whole: Remedy, alone: Remedy, certain: bool) -> bool:
        """Say whether all together are worth more edits than the best one alone; for `certain` where not each helps alone."""
        beside = self._beside(whole, alone)
        if found.verdict != "helps" or beside is None:
            return False
        return pairing.outcome(beside) == "helps" if certain else beside.median >= 1.0 + pairing.WORTH

    def _beside(self, whole: Remedy, alone: Remedy) -> Interval | None:
        """Return what all together are worth beside the best one alone, by the rounds that had both."""
        groups, loop = pairing.by_arm(self.conductor.results), self.conductor.loop
        (_, before), (_, after) = trials.arms(alone, groups, loop), trials.arms(whole, groups, loop)
        return pairing.ratio(before, after)

    def _round_s(self, arms: Sequence[Remedy]) -> float:
        return self.conductor.round_s([window.arm for window in trials.round_of(arms, 0, 0.0)])

    def _answer(self, chosen: Sequence[Remedy], trial: Trial, left_out: Sequence[LeftOut]) -> None:
        if trial.ratio is None:
            return
        predicted = trial.predicted if len(chosen) == 1 else of_union(chosen, self.conductor.costs)
        self.conductor.experiment = replace(
            self.conductor.experiment,
            answer=Answer(
                remedies=tuple(remedy.name for remedy in chosen),
                before=trial.before,
                after=trial.after,
                unit=trial.unit,
                ratio=trial.ratio,
                outputs=trial.outputs,
                predicted=predicted,
                edits=tuple(remedy.edit for remedy in chosen),
                left_out=tuple(left_out),
            ),
        )
