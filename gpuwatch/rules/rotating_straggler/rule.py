"""The ranks take turns at being late, and all wait for the latest.

What it means
    A synchronised step is as long as that of its slowest rank. Each rank is as fast as the others on average, but its batches
    are not alike: in every step another rank has the long one. The others wait in the gradient exchange, so that it looks
    like a slow network.

How it is measured
    For each step, what each rank spends without waiting for the others: by how much the latest is over the mean, and how often
    the latest is another one than before. Where the exchange is in the backward pass, a rank's own part of it is that
    of the ranks that wait for no other.

When it is wrong
    Cores that are used up hold up now one rank, now another: then it is not reported. On GPUs that run ahead of
    their host only what the host waits for is seen.

What to do
    Give the ranks of a step batches of like cost: sort or bucket by length across ranks, or fill batches by their number of
    tokens. A faster network, or fewer exchanges, leaves the wait as it is; so does another node in place of one of these.
"""

from __future__ import annotations

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import starved
from gpuwatch.diagnosis.needs import RANK_STEPS
from gpuwatch.diagnosis.rule import Found, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.diagnosis.waiting_devices import waiting_devices
from gpuwatch.model.findings import Evidence, Speedup, Traits
from gpuwatch.model.profile import Profile
from gpuwatch.model.rank_comparison import OwnPart, RankSteps
from gpuwatch.records import dataclass
from gpuwatch.words.units import milliseconds


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    share: Threshold = Threshold(
        0.10, "share of the step", "Ranks always differ by some percent, now this one, now that."
    )
    sure_share: Threshold = Threshold(0.2, "share of the step", "Twice what ranks may differ by.")
    critical_share: Threshold = Threshold(0.25, "share of the step", "A quarter of all ranks' time.")
    felt: Threshold = Threshold(0.25, "share of the steps", "A few long steps are pauses, not batches of unlike cost.")
    turns: Threshold = Threshold(
        0.25, "share of the steps", "Where the latest rank seldom changes, it is that rank which is slow."
    )
    delayed: Threshold = Threshold(
        0.5, "share of what is lost", "So much time without a core explains it: cores, not data, are what ranks lack."
    )


_ADVICE: dict[OwnPart, str] = {
    "input wait": "Even out what making a batch costs, or prefetch more: in each step another rank waits for a long batch.",
    "forward": "Deal batches of like cost to the ranks of a step: bucket by length across ranks, or fill by tokens.",
    "rest": "Even out what the ranks do between their exchanges: in each step another one has more to do.",
}
_PARTS: dict[OwnPart, str] = {
    "input wait": "waiting for its batch",
    "forward": "computing its batch",
    "rest": "other code of its step",
}


def check(profile: Profile, t: Thresholds, steps: RankSteps) -> Found | None:
    """Report ranks that take turns at being late."""
    lost = steps.rotating_ms / steps.step_ms if steps.step_ms > 0 else 0.0
    if lost < t.share or steps.fixed_ms > steps.rotating_ms or steps.turns < t.turns or steps.felt < t.felt:
        return None
    if _delayed(profile, steps) >= t.delayed:
        return None
    return Found(
        severity="critical" if lost >= t.critical_share else "warning",
        confidence="high" if lost >= t.sure_share else "medium",
        summary=f"in each step another rank is late, and the others wait {milliseconds(steps.rotating_ms)} for it",
        evidence=(
            Evidence(
                "latest rank over the mean", round(steps.lost_ms, 3), "ms", n=steps.steps, note=_PARTS[steps.part]
            ),
            Evidence("of it, the slowest rank's on average", round(steps.fixed_ms, 3), "ms", n=steps.steps),
            Evidence(
                "steps whose latest rank is another one",
                round(steps.turns, 4),
                "share of the steps",
                t.turns,
                steps.steps,
            ),
            *(
                Evidence(f"rank {rank} is the latest", round(share, 4), "share of the steps", n=steps.steps)
                for rank, share in steps.last[:8]
            ),
            *waiting_devices(profile),
        ),
        advice=f"{_ADVICE[steps.part]} No faster network and no other node helps: no rank is slow by itself.",
        where=profile.primary.iterated_where if profile.primary else None,
        speedup=_speedup(profile, steps),
        bound="input" if steps.part == "input wait" and starved(profile) in ("yes", "borderline") else "compute",
    )


def _delayed(profile: Profile, steps: RankSteps) -> float:
    """Return how much of what is lost the ranks spend ready to run without a core."""
    shares = [rank.run_queue_delay_share for rank in profile.ranks if rank.run_queue_delay_share is not None]
    delay_ms = max(shares, default=0.0) * steps.step_ms
    return delay_ms / steps.rotating_ms if steps.rotating_ms > 0 else 0.0


def _speedup(profile: Profile, steps: RankSteps) -> Speedup | None:
    costs = profile.costs
    if costs is None or costs.step_ms <= 0:
        return None
    kept = max(1.0 - steps.rotating_ms / steps.step_ms, 0.05)
    faster = throughput.with_work(throughput.with_step(costs, costs.device_ms * kept), kept)
    return throughput.predict(costs, faster, "batches of like cost on the ranks of a step", 0.3)


RULE = Rule(
    id="rotating-straggler",
    page=__doc__,
    check=check,
    needs=(RANK_STEPS,),
    thresholds=Thresholds(),
    hides=("communication-bound", "straggler-rank", "low-sm-activity"),
    by_events=True,
    traits=Traits(bound="compute", lanes=("step", "input_wait"), windows="waiting"),
)
