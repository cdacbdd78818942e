"""The ranks spend the step exchanging gradients.

What it means
    The gradient exchange (all-reduce, all-gather) takes a good part of the step on every rank alike: too little
    compute per exchange, a slow link, or an exchange in every micro-batch of an accumulation.

How it is measured
    Several ranks with the same pace, whose training process is inside collective calls (from stack samples) for a
    good part of the step; or, on CPUs, inside the backward pass without using its core, where DDP exchanges. In GPU
    traces: the time in which a device ran nothing but exchanges, on the rank that has least of it; what the others have
    more is waiting for the slowest rank.

When it is wrong
    One slow rank makes all the others wait inside the exchange; straggler-rank reports that.

What to do
    no_sync() for all but the last micro-batch, gradient bucketing and compression, a larger batch per rank.
"""

from __future__ import annotations

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import is_on_the_cpu
from gpuwatch.diagnosis.gpu_trace import by_trace, share_evidence, speedup
from gpuwatch.diagnosis.needs import COSTS, SEVERAL_RANKS, STACKS
from gpuwatch.diagnosis.rule import Found, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.diagnosis.trainer_code import waiting_share
from gpuwatch.model.findings import Evidence, Traits
from gpuwatch.model.gpu_time import GpuTime
from gpuwatch.model.hot_lines import HotLine, StackQuality
from gpuwatch.model.measures import Place
from gpuwatch.model.profile import Costs, Profile, RankProfile
from gpuwatch.records import dataclass

CALLS = (
    "all_reduce",
    "allreduce",
    "all_gather",
    "reduce_scatter",
    "broadcast",
    "barrier",
    "_sync_buffers",
    "monitored_barrier",
)


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    share: Threshold = Threshold(
        0.25, "share of the trainers' samples", "Every data-parallel step exchanges gradients: a smaller part is usual."
    )
    idle_share: Threshold = Threshold(
        0.25, "share of the step", "A training thread on the CPU that runs more is at work in its backward pass."
    )
    exposed: Threshold = Threshold(
        0.25, "share of the GPU's time", "Where a trace shows it: the last exchange of each step is exposed by nature."
    )


def check(
    profile: Profile, t: Thresholds, ranks: tuple[RankProfile, ...], costs: Costs, stacks: StackQuality
) -> Found | None:
    """Report ranks of the same pace that spend the step in collective calls."""
    lines = [
        h
        for h in profile.hot_lines
        if h.process_role == "trainer" and (_collective(h) or _waits_in_backward(h, profile, t))
    ]
    share = sum(h.share for h in lines)
    if share < t.share:
        return None
    top = max(lines, key=lambda h: h.share)
    after = throughput.with_step(costs, costs.device_ms * (1.0 - min(share, 0.9) / 2))
    return Found(
        severity="warning",
        confidence="medium",
        summary=f"{share:.0%} of the training processes' time is inside collective calls",
        evidence=(
            Evidence("in collective calls", round(share, 4), "share of the trainers' samples", t.share, top.samples),
            Evidence("ranks", len(profile.ranks), "processes"),
        ),
        advice="Exchange less often: no_sync() for all but the last micro-batch, larger buckets, a larger batch per rank.",
        where=Place(top.file, top.line, top.function),
        speedup=throughput.predict(costs, after, "half of the exchange saved", 0.6),
    )


def _in_trace(profile: Profile, t: Thresholds, time: GpuTime) -> Found | None:
    """Report traced devices that run nothing but exchanges for a good part of their time."""
    used = [each for each in profile.gpu_time if each.unmeasured is None and each.shares.communication > 0]
    least = min(used, key=lambda each: each.shares.communication, default=time)
    share = least.share("communication")
    if share < t.exposed:
        return None
    return Found(
        severity="warning",
        confidence="high" if len(profile.gpu_time) > 1 else "medium",
        summary=f"the GPU runs nothing but exchanges with other ranks for {share:.0%} of its time",
        evidence=(
            share_evidence(least, "communication", "exchanging, with nothing else running", t.exposed),
            Evidence("devices in the traces", len(profile.gpu_time), "count"),
        ),
        advice="Exchange less often: no_sync() for all but the last micro-batch, larger buckets, a larger batch per rank. One"
        " slow rank makes all others wait in the exchange: compare the traces of all ranks.",
        speedup=speedup(least, "communication"),
    )


def _waits_in_backward(line: HotLine, profile: Profile, t: Thresholds) -> bool:
    """Say whether a CPU training is inside backward without using its core: DDP's exchange has no frame of its own."""
    if (
        profile.primary is None
        or not is_on_the_cpu(profile)
        or line.callee is None
        or "backward" not in line.callee.name
    ):
        return False
    return waiting_share(profile, profile.primary) > t.idle_share


def _collective(line: HotLine) -> bool:
    called = line.callee.name if line.callee else ""
    texts = (called, line.source or "", *(frame.function or "" for frame in line.stack))
    return any(call in text for call in CALLS for text in texts)


RULE = Rule(
    id="communication-bound",
    page=__doc__,
    check=check,
    needs=(
        SEVERAL_RANKS,
        COSTS,
        STACKS,
    ),
    thresholds=Thresholds(),
    traits=Traits(bound="communication", lanes=("step", "gpu_busy")),
    by_trace=by_trace(_in_trace),
)
