"""The evaluation loop judged like the training loop: where it waits for data, the same rules look at its loader.

A change to the training's input often is one to the evaluation's, too: then it wins there as well. Its own findings say
that they are about evaluation, win what the whole loop would win, and never rest on the training's wait.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from gpuwatch.analyze.costs import measure_costs
from gpuwatch.diagnosis.evidence import MIN_STEPS, STARVED_SHARE, WAIT_KEY, loop_seconds
from gpuwatch.diagnosis.thresholds import Threshold
from gpuwatch.model.findings import Bound, Evidence, Finding, Speedup
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.profile import Profile

MOSTLY_WAITS = Threshold(
    0.5, "share of the evaluation", "Evaluation that waits this much is long because of its loader.", "evaluation_waits"
)
# Evaluation is not all of what a change leaves.
MOST_LEFT = 0.1
LESS_OFTEN = "evaluation-share"


class WaitingEvaluation(NamedTuple):
    """An evaluation loop that waits for data: its loader, the seconds waited, and their shares of it and of all loops.

    `bounds`: whether it may bound the run; samples alone say what bounds a training without a DataLoader."""

    loader: LoaderProfile
    seconds: float
    share: float
    of_loop: float
    bounds: bool


def find_waiting(profile: Profile) -> WaitingEvaluation | None:
    """Return the evaluation loop that waits longest for data, where that is a tenth of all that the loops took."""
    primary, loop = profile.primary, loop_seconds(profile)
    if primary is None or primary.role != "training" or loop <= 0:
        return None
    loader = max((x for x in _beside(profile, primary) if x.steps >= MIN_STEPS), key=waited_s, default=None)
    if loader is None or waited_s(loader) / loop < STARVED_SHARE:
        return None
    seconds, whole = waited_s(loader), loader.seconds + sum(loader.first_batch_s)
    return WaitingEvaluation(loader, seconds, min(seconds / whole, 1.0), min(seconds / loop, 1.0), not primary.own_loop)


def evaluation_wait(profile: Profile) -> float | None:
    """Return the share of all loops' time in which evaluation waits for data; None where there is no evaluation."""
    primary, loop = profile.primary, loop_seconds(profile)
    if primary is None or primary.role != "training" or loop <= 0:
        return None
    waits = [waited_s(x) for x in _beside(profile, primary)]
    return min(sum(waits) / loop, 1.0) if waits else None


def _beside(profile: Profile, training: LoaderProfile) -> list[LoaderProfile]:
    """Return the evaluation loaders of a training loader's rank."""
    return [x for x in profile.loaders if x.role == "evaluation" and x.rank == training.rank]


def waited_s(loader: LoaderProfile) -> float:
    """Return the seconds that a loop waited for its batches, the first of each pass too."""
    return loader.wait_seconds + sum(loader.first_batch_s)


def with_evaluation(profile: Profile, gain: Speedup, saved: Callable[[LoaderProfile], float]) -> Speedup:
    """Return the gain of a change to the training's input with what it wins in the evaluation loops, which wait for the same.

    `saved`: the share of an evaluation loader's waits that goes with it."""
    primary, costs = profile.primary, profile.costs
    if primary is None or costs is None or primary.role != "training" or costs.seconds <= 0:
        return gain
    mine = _beside(profile, primary)
    won = sum(min(max(saved(loader), 0.0), 1.0) * waited_s(loader) for loader in mine) / costs.seconds
    if won <= 0:
        return gain
    predicted, low, high = (round(_saving(end, won), 3) for end in (gain.predicted, gain.low, gain.high))
    return replace(gain, predicted=predicted, low=low, high=high)


def _saving(gain: float, share: float) -> float:
    """Return a gain that wins a further share of the time before it; of what is left nine tenths at most."""
    left = 1.0 / gain
    return 1.0 / max(left - share, MOST_LEFT * left)


def judge_evaluation(
    profile: Profile, evaluate: Callable[[Profile], Sequence[Finding]], known: Sequence[Finding]
) -> list[Finding]:
    """Return what the rules say of a waiting evaluation's loader, as the primary one; what is known is not said again.

    `evaluate`: what all rules find in a profile, the cause first."""
    waiting = find_waiting(profile)
    if waiting is None:
        return []
    loader = waiting.loader
    costs = measure_costs(loader, profile.machine, max(loop_seconds(profile) - _seconds(loader), 0.0))
    found = [f for f in evaluate(replace(profile, primary=loader, costs=costs)) if _is_about_the_wait(f)]
    # Beside a forward alone workers hardly hide what a batch costs, but they are what an evaluation without any lacks.
    more = (f for f in found if f.traits.workers == "more" and f.confidence != "low")
    first = next(more, found[0] if found else None)
    if first is None or first.id in {finding.id for finding in known}:
        return []
    costly = found[0].summary if found[0] is not first else ""
    return [_of_evaluation(first, waiting, f" Or make its batches cheaper: {costly}." if costly else "")]


def _seconds(loader: LoaderProfile) -> float:
    return loader.seconds + sum(loader.first_batch_s) + sum(loader.stop_s)


def _is_about_the_wait(finding: Finding) -> bool:
    """Say whether a finding advises to change the loader, for less waiting."""
    rests = any(evidence.key == WAIT_KEY for evidence in finding.evidence)
    return finding.traits.about_input and rests and finding.severity != "info"


def _of_evaluation(finding: Finding, waiting: WaitingEvaluation, otherwise: str) -> Finding:
    """Return a finding that says that it is about evaluation, and explains a long one that mostly waits."""
    bound: Bound | None = "input" if waiting.bounds and finding.confidence not in ("low", "borderline") else None
    share = Evidence(
        "waiting in evaluation", round(waiting.of_loop, 4), "share of the loops", STARVED_SHARE, waiting.loader.steps
    )
    return replace(
        finding,
        summary=f"in evaluation, {finding.summary}",
        advice=finding.advice + otherwise,
        evidence=(*map(_in_evaluation, finding.evidence), share),
        explains=(LESS_OFTEN,) if waiting.share >= MOSTLY_WAITS else (),
        # What `gpuwatch try` drives is the training loop.
        verify=None,
        traits=replace(finding.traits, bound=bound, remedies=()),
    )


def _in_evaluation(evidence: Evidence) -> Evidence:
    """Return evidence on the wait as that of the evaluation loop: the verdict's own wait is the training's."""
    if evidence.key != WAIT_KEY:
        return evidence
    return replace(evidence, metric="input wait in evaluation", unit="share", key="")
