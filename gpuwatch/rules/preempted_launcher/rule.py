"""The training thread waits for a core, and launches the GPU's kernels late.

What it means
    The training process could run, but other threads have the cores: its own loader workers, library threads, or other
    programs. Meanwhile no kernel is launched, the GPU runs out of work and idles inside the step.

How it is measured
    The time that the training thread was runnable without a core (the kernel's run-queue delay), as a share of the loop,
    on a run with a GPU that has idle time left and batches that arrive in time.

When it is wrong
    If the GPU always has kernels queued, a late launch costs nothing; then the GPU is busy and the rule is clear. The
    delay of a loop that waits for data is the workers' problem: cpu-saturated reports it.

What to do
    Use fewer workers or one library thread per worker, leave a core to each training process (taskset, cgroup), or
    capture the step in a CUDA graph, which needs fewer launches.
"""

from __future__ import annotations

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import starved
from gpuwatch.diagnosis.needs import MEASURED_LOOP, MeasuredLoop
from gpuwatch.diagnosis.rule import NOT_SO, Found, Missing, Need, NotSo, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Traits
from gpuwatch.model.profile import Profile, RankProfile
from gpuwatch.records import dataclass


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    delay: Threshold = Threshold(
        0.1, "share of the loop", "The scheduler's own time slices delay a thread on a busy machine by some percent."
    )
    busy: Threshold = Threshold(0.85, "share of the time", "A GPU with work nearly all the time hides late launches.")
    critical_delay: Threshold = Threshold(0.25, "share of the loop", "A quarter of the loop.")


def check(profile: Profile, t: Thresholds, seen: MeasuredLoop, busy: float, slowest: RankProfile) -> Found | None:
    """Report a training thread without a core while the GPU has idle time."""
    delay = slowest.run_queue_delay_share or 0.0
    if delay < t.delay or busy > t.busy:
        return None
    costs = seen.costs
    after = throughput.with_step(costs, costs.device_ms * (1.0 - min(delay, 0.9)))
    return Found(
        severity="critical" if delay >= t.critical_delay else "warning",
        confidence="medium",
        summary=f"the training thread waits for a core {delay:.0%} of the loop, while the GPU is busy only {busy:.0%}",
        evidence=(
            Evidence("runnable without a core", round(delay, 4), "share of the loop", t.delay, seen.loader.steps),
            Evidence("GPU busy", round(busy, 4), "share of the time", t.busy),
            Evidence("used by other programs", profile.machine.other_cores, "cores"),
            Evidence("idle cores", profile.machine.spare_cores, "cores"),
        ),
        advice="Leave a core to the training process: use fewer workers, one library thread in each, and no other"
        " program on its cores.",
        where=seen.loader.created_where,
        speedup=throughput.predict(costs, after, "no wait for a core in the training thread", 0.5),
        rank=slowest.rank if len(profile.ranks) > 1 else None,
    )


def _busy(profile: Profile) -> float | Missing | NotSo:
    """Return the busy share of the run's GPUs, where the loop does not wait for data."""
    busy = [device.busy for device in profile.devices if device.ranks and device.busy is not None]
    if not busy:
        return Missing("NVML's busy share of the run's devices")
    return NOT_SO if starved(profile) == "yes" else sum(busy) / len(busy)


def _slowest(profile: Profile) -> RankProfile | Missing:
    """Return the rank whose training thread waited the most for a core."""
    known = [rank for rank in profile.ranks if rank.run_queue_delay_share is not None]
    if not known:
        return Missing("the run-queue delay of the training thread")
    return max(known, key=lambda rank: rank.run_queue_delay_share or 0.0)


RULE = Rule(
    id="preempted-launcher",
    page=__doc__,
    check=check,
    needs=(
        MEASURED_LOOP,
        Need("NVML's busy share of the run's devices", _busy),
        Need("the run-queue delay of the training thread", _slowest),
    ),
    thresholds=Thresholds(),
    hides=("launch-bound",),
    traits=Traits(bound="host", lanes=("gpu_busy", "cpu_busy", "cpu_pressure", "step")),
)
