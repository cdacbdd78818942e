"""No report contradicts itself: what would is resolved before anything is shown, and what is left is named.

Most sentences cannot contradict each other because one number decides both (`Verdict.leave_input_alone`). Rules know
nothing of each other and of the verdict, so that their findings are reconciled here: a number is limited by the larger
one that contains it, and of two statements that exclude each other the weaker one becomes "not evaluated, because …".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from gpuwatch.diagnosis.evidence import BETWEEN_RUNS, CORES_KEY, STARVED_SHARE, WAIT_KEY
from gpuwatch.diagnosis.shared_cores import WORTH
from gpuwatch.model.findings import Confidence, Finding, NotEvaluated, Speedup, Verdict
from gpuwatch.model.measures import Interval
from gpuwatch.model.profile import RankProfile
from gpuwatch.model.reasons import LoaderSteps
from gpuwatch.words.units import percent

# From sure to unsure: a finding that rests on the wait for data is no surer than the verdict on it.
SURENESS: tuple[Confidence, ...] = ("high", "medium", "borderline", "low")
# The model's rounding, and that of the evidence.
ROUNDING = 0.02
# Seconds of a rank that may be in no phase, as a share of its wall time.
UNCOUNTED = 0.005
_SHARE, _OF_LOOP = "share of ", "share of the loop"


class Reconciled(NamedTuple):
    """Findings that agree with each other, and those that were dropped, with the reason."""

    findings: tuple[Finding, ...]
    dropped: tuple[NotEvaluated, ...]


def settle(ranked: Sequence[Finding]) -> Reconciled:
    """Drop of two findings with opposite advice the one that comes later; make each interval hold its value."""
    kept: list[Finding] = []
    dropped: list[NotEvaluated] = []
    for finding in ranked:
        opposite = next((other for other in kept if _opposes(finding, other)), None)
        if opposite is None:
            kept.append(_with_whole_interval(finding))
        else:
            why = f"{opposite.id}, which is surer or larger, advises the opposite"
            dropped.append(NotEvaluated(finding.id, f"unknown, because {why}", "clause"))
    return Reconciled(tuple(kept), tuple(dropped))


def _opposes(one: Finding, other: Finding) -> bool:
    return None not in (one.traits.workers, other.traits.workers) and one.traits.workers != other.traits.workers


def _with_whole_interval(finding: Finding) -> Finding:
    gain = finding.speedup
    if gain is None or gain.low <= gain.predicted <= gain.high:
        return finding
    low, high = min(gain.low, gain.predicted, gain.high), max(gain.low, gain.predicted, gain.high)
    return replace(finding, speedup=replace(gain, low=low, high=high))


def lifted(verdict: Verdict, findings: Sequence[Finding]) -> Verdict:
    """Return the verdict with a free input's gain at least that of each finding on what the input costs beside the waits:
    the model's free input still starts its workers once, which a finding may save."""
    free = verdict.speedup_if_input_free
    beside = [f.speedup for f in findings if f.traits.about_input and f.severity != "info" and not _rests_on_wait(f)]
    most = max((gain for gain in beside if gain is not None), key=lambda gain: gain.predicted, default=None)
    if free is None or most is None or most.predicted <= free.predicted:
        return verdict
    high, low = max(free.high, most.high), max(free.low, min(most.low, most.predicted))
    return replace(verdict, speedup_if_input_free=replace(free, predicted=most.predicted, low=low, high=high))


def _rests_on_wait(finding: Finding) -> bool:
    return any(evidence.key in (WAIT_KEY, CORES_KEY) for evidence in finding.evidence)


def agree(verdict: Verdict, findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the findings limited by the verdict: by what a free input would win, and by how sure the wait is."""
    return tuple(_as_sure(verdict, _below_ceiling(verdict, finding)) for finding in findings)


def _below_ceiling(verdict: Verdict, finding: Finding) -> Finding:
    gain, most = finding.speedup, ceiling(verdict, finding)
    if gain is None or most is None or gain.predicted <= most.predicted + ROUNDING:
        return finding
    predicted = max(most.predicted, 1.0)
    limited = replace(
        gain, predicted=predicted, low=min(gain.low, predicted), high=max(min(gain.high, most.high), predicted)
    )
    return replace(finding, speedup=limited)


def ceiling(verdict: Verdict, finding: Finding) -> Speedup | None:
    """Return the most that a finding can win: a free input's gain, or all of the loop's share that it names."""
    free = verdict.speedup_if_input_free
    if _rests_on_wait(finding) and free is not None and verdict.bound in ("input", "cpu"):
        return free
    named = {e.unit for e in finding.evidence if e.unit.startswith(_SHARE) and e.value}
    shares = [e.value for e in finding.evidence if e.unit == _OF_LOOP and isinstance(e.value, float)]
    # Evidence on a share of something else, too: the gain is not only of the loop's share.
    if finding.traits.about_input or named != {_OF_LOOP} or not shares or max(shares) >= 1.0:
        return None
    most = 1.0 / (1.0 - max(shares))
    return Speedup(most, most, most, "all of its share of the loop saved")


def _as_sure(verdict: Verdict, finding: Finding) -> Finding:
    if not _rests_on_wait(finding) or SURENESS.index(finding.confidence) >= SURENESS.index(verdict.confidence):
        return finding
    return replace(finding, confidence=verdict.confidence)


def contradictions(verdict: Verdict, findings: Sequence[Finding], ranks: Sequence[RankProfile]) -> tuple[str, ...]:
    """Return what contradicts each other in a report, a sentence each; nothing in one that was reconciled."""
    return (*_of_verdict(verdict), *_of_findings(verdict, findings), *_of_phases(ranks))


def _of_verdict(verdict: Verdict) -> list[str]:
    found, free, share = [], verdict.speedup_if_input_free, verdict.input_wait_share
    if verdict.leave_input_alone and free is not None and free.predicted >= WORTH:
        found.append("the input is to be left alone, and making it free would win a good part of the run")
    if verdict.leave_input_alone and verdict.bound != "compute":
        found.append(f"the input is to be left alone, and the run is bound by {verdict.bound}")
    if verdict.leave_input_alone and verdict.confidence == "borderline":
        found.append("the input is to be left alone, and another run may find it to be the bound")
    if (verdict.bound == "cpu") != (verdict.speedup_if_compute_free is not None):
        found.append("the cores are the bound, and what the training holds of them is not known")
    if share is not None and verdict.bound != "input" and _waits_for_input(verdict, share):
        found.append(
            f"the loop waits for input for {percent(share.median)} of its time, and the run is bound by {verdict.bound}"
        )
    if share is not None and verdict.bound == "input" and share.high < STARVED_SHARE and not _waits_elsewhere(verdict):
        found.append(f"the loop waits for input for {percent(share.median)} of its time, and the run is bound by input")
    if share is not None and not -ROUNDING <= share.low <= share.median <= share.high <= 1.0 + ROUNDING:
        found.append("the share of input wait lies outside of its interval, or of 0 to 1")
    if free is not None and not free.low <= free.predicted <= free.high:
        found.append("the gain of a free input lies outside of its interval")
    if free is not None and free.predicted < 1.0 - ROUNDING:
        found.append("an input that costs nothing would make the run slower")
    return found


def _waits_elsewhere(verdict: Verdict) -> bool:
    """Say whether it is the evaluation's wait that bounds the run, or one that began late in it."""
    reason, trend = verdict.reason, verdict.trend
    if trend is not None and trend.wait_after > STARVED_SHARE:
        return True
    return isinstance(reason, LoaderSteps) and reason.evaluation_wait is not None


def _waits_for_input(verdict: Verdict, share: Interval) -> bool:
    """Say whether a wait is one for input for certain: long enough in any other run, and not for a core."""
    reason = verdict.reason
    return share.low > STARVED_SHARE * (1 + BETWEEN_RUNS) and not (isinstance(reason, LoaderSteps) and reason.ready)


def _of_findings(verdict: Verdict, findings: Sequence[Finding]) -> list[str]:
    found = []
    for finding in findings:
        gain, most = finding.speedup, ceiling(verdict, finding)
        if gain is not None and not gain.low <= gain.predicted <= gain.high:
            found.append(f"the gain of {finding.id} lies outside of its interval")
        if gain is not None and most is not None and gain.predicted > most.predicted + 2 * ROUNDING:
            found.append(f"{finding.id} wins more than there is to win")
        if gain is not None and lifted(verdict, [finding]) is not verdict:
            found.append(f"{finding.id} wins more than a free input would")
        advises = finding.traits.about_input or finding.traits.in_vain
        if verdict.leave_input_alone and advises and finding.severity != "info":
            found.append(f"the input is to be left alone, and {finding.id} advises to change it")
        if _as_sure(verdict, finding) is not finding:
            found.append(f"{finding.id} is surer than the wait that it rests on")
    asked = {finding.traits.workers for finding in findings} - {None}
    return [*found, "both more and fewer workers are advised"] if len(asked) > 1 else found


def _of_phases(ranks: Sequence[RankProfile]) -> list[str]:
    found = []
    for rank in ranks:
        counted = sum(phase.seconds for phase in rank.phases)
        room = max(UNCOUNTED * rank.seconds, 0.01)
        if rank.phases and abs(counted - rank.seconds) > room:
            found.append(f"the phases of rank {rank.rank} do not sum to its wall time")
        if any(phase.seconds < -room for phase in rank.phases):
            found.append(f"a phase of rank {rank.rank} takes less than no time")
    return found
