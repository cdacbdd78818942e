"""What the time of a training was lost to: by the phases of its report, and by what its findings say would be won in a step.

Nothing is analysed here: each second is one that the report of the run shows."""

from __future__ import annotations

from collections.abc import Sequence

from gpuwatch.model.findings import Finding
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.measures import Phase
from gpuwatch.model.profile import RankProfile
from gpuwatch.records import dataclass

INPUT = "input wait"
# Phases in which a device has nothing to do, and the findings that are about each.
WAITING: dict[str, tuple[str, ...]] = {
    "startup": ("slow-startup", "skipped-batches"),
    "loader startup": ("worker-restart", "skipped-batches", "slow-startup"),
    INPUT: (),
    "between loops": ("epoch-end", "rank-zero-work"),
    "shutdown": (),
}
# In a step the device's own waiting is no phase: what the advice would win is all that a report says of it.
IN_STEP = ("host", "transfer", "communication")
_STEP_PHASES = ("forward", "backward", "optimizer", "other in-step")


@dataclass(frozen=True, slots=True)
class Loss:
    """Seconds of one rank, or of the mean one, that were lost to one thing."""

    to: str
    finding: str | None
    seconds: float
    predicted: bool = False


def losses_of_rank(rank: RankProfile, loaders: Sequence[LoaderProfile], findings: Sequence[Finding]) -> list[Loss]:
    """Return what one rank's time was lost to. Of waiting for input only what the device noticed, where it was timed."""
    mine = [loader for loader in loaders if loader.rank == rank.rank]
    return _losses(rank.phases, findings, _unnoticed(mine))


def losses_of_phases(phases: Sequence[Phase]) -> list[Loss]:
    """Return what was lost where only phases are known."""
    return _losses(phases, (), 0.0)


def _losses(phases: Sequence[Phase], findings: Sequence[Finding], unnoticed_s: float) -> list[Loss]:
    seconds = {phase.name: phase.seconds for phase in phases}
    seconds[INPUT] = max(seconds.get(INPUT, 0.0) - unnoticed_s, 0.0)
    waited = [Loss(phase, _cause(phase, findings), seconds.get(phase, 0.0)) for phase in WAITING]
    whole, in_step = sum(phase.seconds for phase in phases), sum(seconds.get(name, 0.0) for name in _STEP_PHASES)
    return [loss for loss in (*waited, *_in_steps(findings, whole, in_step)) if loss.seconds > 0]


def _cause(phase: str, findings: Sequence[Finding]) -> str | None:
    """Return the first finding that is about a phase."""
    if phase == INPUT:
        return next(
            (f.id for f in findings if f.traits.about_input and not f.traits.bound and f.severity != "info"), None
        )
    return next((finding.id for finding in findings if finding.id in WAITING[phase]), None)


def _in_steps(findings: Sequence[Finding], whole_s: float, in_step_s: float) -> list[Loss]:
    """Return what each kind of finding says of the steps: of several of a kind the largest, for their gains overlap."""
    found: dict[str, Loss] = {}
    for finding in filter(_is_of_step, findings):
        bound, won = str(finding.traits.bound), won_share(finding) * whole_s
        if won > (found[bound].seconds if bound in found else 0.0):
            found[bound] = Loss(f"{bound} in steps", finding.id, won, predicted=True)
    total = sum(loss.seconds for loss in found.values())
    kept = min(in_step_s / total, 1.0) if total > 0 else 0.0
    return [Loss(loss.to, loss.finding, loss.seconds * kept, predicted=True) for loss in found.values()]


def _is_of_step(finding: Finding) -> bool:
    """Say whether what a finding would win is time of steps that no phase counts as waiting."""
    traits = finding.traits
    if traits.bound not in IN_STEP or any(finding.id in ids for ids in WAITING.values()):
        return False
    # Evaluation is a phase of its own; work of the host that also makes batches is in the input wait already.
    return traits.windows != "evaluation" and not (traits.bound == "host" and "input_wait" in traits.lanes)


def won_share(finding: Finding) -> float:
    """Return the share of the run's time that following a finding's advice would win; 0 where nothing is predicted."""
    speedup = finding.speedup
    return 1.0 - 1.0 / speedup.predicted if speedup is not None and speedup.predicted > 1.0 else 0.0


def _unnoticed(loaders: Sequence[LoaderProfile]) -> float:
    """Return the seconds that the host waited for data while the device still had work, by the device's own clock."""
    return sum(
        max(loader.wait_seconds - loader.wait_share.median * loader.seconds, 0.0)
        for loader in loaders
        if loader.wait_clock != "host" and loader.wait_share is not None
    )
