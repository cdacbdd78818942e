"""One rank is slower than the others, and all wait for it.

What it means
    Synchronous training runs at the pace of its slowest rank. The slow one waits for its own data (or computes longer);
    the others finish early and wait in the gradient exchange, which looks like a long backward pass.

How it is measured
    Input wait and step time of each rank, from one backward pass to the next, against the median of the others. The rank
    with more wait than the others, by more than noise, is the culprit; ranks with a longer backward and less wait are its victims.
    Their GPUs may be "100 % busy" meanwhile, with a kernel that waits: power and SM activity tell.

When it is wrong
    A slow link or GPU also makes a straggler, without input wait: then only the ranks' compute differs, and phases
    alone cannot tell which one is the cause.

What to do
    Look at the culprit's own findings: its data shard, its node's CPU and disk, its GPU's clock.
"""

from __future__ import annotations

from statistics import median

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.needs import SEVERAL_RANKS
from gpuwatch.diagnosis.rule import Found, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.diagnosis.waiting_devices import waiting_devices
from gpuwatch.model.findings import Evidence, Speedup, Traits
from gpuwatch.model.profile import Profile, RankProfile
from gpuwatch.model.rank_comparison import RankSteps
from gpuwatch.records import dataclass
from gpuwatch.words.units import count, milliseconds

# Batches for each backward pass that are more than one.
SEVERAL = 1.1


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    share: Threshold = Threshold(0.10, "share of the step", "Ranks always differ by some percent.")
    sure_share: Threshold = Threshold(0.2, "share of the step", "Twice what ranks may differ by.")
    critical_share: Threshold = Threshold(0.25, "share of the step", "A quarter of all ranks' time.")


def check(profile: Profile, t: Thresholds, ranks: tuple[RankProfile, ...]) -> Found | None:
    """Report the rank whose own delay makes the others wait."""
    steps = median(backward_step_ms(r) for r in ranks)
    lost = {r.rank: own_ms(r) for r in ranks}
    culprit = max(ranks, key=lambda r: lost[r.rank])
    others = median(lost[r.rank] for r in ranks if r is not culprit)
    excess = lost[culprit.rank] - others
    share = excess / steps if steps > 0 else 0.0
    if share < t.share:
        return None
    return Found(
        severity="critical" if share >= t.critical_share else "warning",
        confidence="high" if share >= t.sure_share else "medium",
        summary=f"rank {culprit.rank} needs {milliseconds(excess)} more per step than the others, which wait for it",
        evidence=(
            *(_rank_evidence(r, lost[r.rank]) for r in ranks[:8]),
            *_last(profile.rank_steps, culprit.rank),
            *waiting_devices(profile, culprit.rank),
        ),
        advice=f"Look at rank {culprit.rank}: its data shard, the CPU and disk of {culprit.host}, its GPU's clock.",
        speedup=_speedup(profile, excess / max(ranks[0].batches_per_backward or 1.0, 1.0)),
        rank=culprit.rank,
    )


def backward_step_ms(rank: RankProfile) -> float:
    """Return the time from one backward pass to the next (ms): ranks keep in step by it, however many batches each of them
    requests in between."""
    step = rank.step_ms.median if rank.step_ms else 0.0
    return step * max(rank.batches_per_backward or 1.0, 1.0)


def own_ms(rank: RankProfile) -> float:
    """Return the part of a rank's step that no other rank causes: everything but the backward pass (ms)."""
    return backward_step_ms(rank) - (rank.backward_ms or 0.0)


def _rank_evidence(rank: RankProfile, own: float) -> Evidence:
    wait = rank.wait_share.median if rank.wait_share else 0.0
    note = f"input wait {wait:.0%}, backward {milliseconds(rank.backward_ms or 0.0)}"
    batches = rank.batches_per_backward or 1.0
    note += f", {count(batches, 'batch', 'batches')} for each" if batches > SEVERAL else ""
    return Evidence(f"rank {rank.rank} without the exchange", round(own, 3), "ms", n=rank.steps, note=note)


def _last(steps: RankSteps | None, rank: int) -> tuple[Evidence, ...]:
    """Return in how many steps this rank is the latest: one that always is has a slow machine, not unlike batches."""
    share = dict(steps.last).get(rank) if steps else None
    if steps is None or share is None:
        return ()
    return (Evidence(f"rank {rank} is the latest", round(share, 4), "share of the steps", n=steps.steps),)


def _speedup(profile: Profile, excess_ms: float) -> Speedup | None:
    costs = profile.costs
    if costs is None:
        return None
    step = max(costs.step_ms - excess_ms, 0.05 * costs.step_ms)
    faster = throughput.with_work(
        throughput.with_step(costs, min(step, costs.device_ms)), max(step / costs.step_ms, 0.02)
    )
    return throughput.predict(costs, faster, "the culprit as fast as the others", 0.3)


RULE = Rule(
    id="straggler-rank",
    page=__doc__,
    check=check,
    needs=(SEVERAL_RANKS,),
    thresholds=Thresholds(),
    hides=("communication-bound", "low-sm-activity"),
    traits=Traits(bound="communication", lanes=("step", "input_wait"), windows="waiting"),
)
