"""The GPU idles inside the step: the host cannot launch kernels fast enough.

What it means
    Each kernel is shorter than the time to launch it. The device has nothing queued although data is there.

How it is measured
    The device's busy share while the loop ran and was not waiting for data, with the training thread on the CPU for
    nearly all of the step. In a GPU trace: the device's gaps in which the host was launching, one call soon after the
    other.

When it is wrong
    Communication between ranks and host-side code between steps also leave the device idle; those have findings of
    their own.

What to do
    torch.compile (mode="reduce-overhead" uses CUDA graphs), a larger batch, fused and foreach optimizers.
"""

from __future__ import annotations

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import starved
from gpuwatch.diagnosis.gpu_trace import by_trace, share_evidence, speedup
from gpuwatch.diagnosis.rule import Found, Missing, Need, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.diagnosis.trainer_code import other_share
from gpuwatch.model.findings import Evidence, Traits
from gpuwatch.model.gpu_time import GpuTime
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.profile import Costs, Profile
from gpuwatch.records import dataclass


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    busy: Threshold = Threshold(0.7, "share of the time", "A device that is busier has little to win.")
    cpu: Threshold = Threshold(
        0.85, "share of the step", "A training thread that rests is not what the device waits for."
    )
    other: Threshold = Threshold(0.2, "share of the step", "Other code in the step is slow-step-code's to say.")
    launching: Threshold = Threshold(
        0.15, "share of the GPU's time", "Where a trace shows each gap: every step has some while it begins."
    )


def check(profile: Profile, t: Thresholds, seen: tuple[LoaderProfile, Costs, float], cpu: float) -> Found | None:
    """Report a device that idles while a busy training thread feeds it."""
    loader, costs, mean = seen
    if starved(profile) == "yes" or mean > t.busy or cpu < t.cpu or other_share(profile) > t.other:
        return None
    after = throughput.with_step(costs, costs.device_ms * max(mean, 0.1))
    return Found(
        severity="warning",
        confidence="medium",
        summary=f"the GPU is busy only {mean:.0%} of the step while the training thread never idles",
        evidence=(
            Evidence("busy", round(mean, 4), "share", t.busy),
            Evidence("training thread on the CPU", round(cpu, 4), "share of the step", t.cpu),
            Evidence("step without waiting", round(costs.device_ms, 3), "ms", n=loader.steps),
        ),
        advice="Use torch.compile(mode='reduce-overhead') or CUDA graphs, a larger batch, and fused optimizers.",
        speedup=throughput.predict(costs, after, "the device busy all of the step", 0.5),
    )


def _in_trace(profile: Profile, t: Thresholds, time: GpuTime) -> Found | None:
    """Report a traced device that idles while the host launches its kernels."""
    share = time.share("launch")
    if share < t.launching:
        return None
    place = time.place("launch")
    kernel = f" kernels of {time.counts.kernel_us:.0f} µs in the median" if time.counts.kernel_us else " activities"
    return Found(
        severity="warning",
        confidence="high",
        summary=f"the GPU is idle for {share:.0%} of its time while the host launches {time.counts.activities:,}{kernel}",
        evidence=(
            share_evidence(time, "launch", "idle while the host was launching", t.launching),
            Evidence("median kernel", time.counts.kernel_us and round(time.counts.kernel_us, 2), "us"),
            Evidence("launches", time.counts.launches, "count"),
        ),
        advice="Use torch.compile(mode='reduce-overhead') or CUDA graphs, a larger batch, and fused optimizers.",
        where=place.place if place else None,
        speedup=speedup(time, "launch"),
    )


def _busy(profile: Profile) -> tuple[LoaderProfile, Costs, float] | Missing:
    busy = [d.busy for d in profile.devices if d.ranks and d.busy is not None]
    if profile.primary is None or profile.costs is None or not busy:
        return Missing("NVML's busy share of the run's devices")
    return profile.primary, profile.costs, sum(busy) / len(busy)


def _cpu(profile: Profile) -> float | Missing:
    share = profile.primary.compute_cpu_share if profile.primary else None
    return Missing("CPU time of the training thread") if share is None else share


RULE = Rule(
    id="launch-bound",
    page=__doc__,
    check=check,
    needs=(
        Need("NVML's busy share of the run's devices", _busy),
        Need("CPU time of the training thread", _cpu),
    ),
    thresholds=Thresholds(),
    traits=Traits(
        bound="host",
        lanes=("gpu_busy", "sm_active", "step"),
        explained_by=("gil-contention",),
        remedies=("fused-optimizer", "foreach-optimizer"),
    ),
    by_trace=by_trace(_in_trace),
)
