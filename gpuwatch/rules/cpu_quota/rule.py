"""The container's CPU quota is below what the loader assumes, or the kernel throttles the run.

What it means
    A cgroup quota is enforced by stopping all threads for the rest of each 100 ms. os.cpu_count() and
    sched_getaffinity() do not see it, so libraries and advice size themselves for cores that are not there.

How it is measured
    The cgroup's quota (v1 cfs_quota, v2 cpu.max, the tightest on the path), the share of periods that were
    throttled while the loop ran, and the cores that affinity promises.

When it is wrong
    A quota that is never reached costs nothing: without throttling, and with fewer busy threads than the quota,
    the rule is clear.

What to do
    Raise the quota (docker --cpus, Kubernetes limits.cpu), or size workers and library threads for it.
"""

from __future__ import annotations

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import certainty, wait_evidence
from gpuwatch.diagnosis.needs import STARVED_LOOP, Starved
from gpuwatch.diagnosis.rule import NOT_SO, Found, Missing, Need, NotSo, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Traits
from gpuwatch.model.profile import Profile
from gpuwatch.records import dataclass
from gpuwatch.words.units import count


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    throttled_share: Threshold = Threshold(
        0.05, "share of the periods", "A quota that is reached now and then costs nothing that can be seen."
    )
    critical_share: Threshold = Threshold(0.2, "share of the periods", "The run is stopped in every fifth period.")


def check(profile: Profile, t: Thresholds, quota: float, seen: Starved, throttled: float) -> Found | None:
    """Report a starved loop that a cgroup quota holds back."""
    machine = profile.machine
    if throttled < t.throttled_share or quota >= (machine.affinity_cores or machine.cores or 1):
        return None
    after = throughput.on_cores(seen.costs, float(machine.affinity_cores or machine.cores or seen.costs.shared_cores))
    return Found(
        severity="critical" if throttled >= t.critical_share else "warning",
        confidence=certainty(seen.state),
        summary=f"the CPU quota of {count(quota, 'core', digits=2)} throttled this run in {throttled:.0%} of the periods",
        evidence=(
            wait_evidence(seen.loader),
            Evidence("CPU quota", quota, "cores"),
            Evidence("cores by affinity", machine.affinity_cores, "cores"),
            Evidence("throttled periods", round(throttled, 4), "share", t.throttled_share),
        ),
        advice=f"Raise the container's CPU limit, or size workers and library threads for {count(quota, 'core', digits=2)}.",
        speedup=throughput.predict(seen.costs, after, "throughput model: all cores of the affinity mask", 0.3),
    )


def _quota(profile: Profile) -> float | Missing | NotSo:
    machine = profile.machine
    if machine.quota_cores is None:
        return Missing("the cgroup's CPU quota") if machine.affinity_cores is None else NOT_SO
    return machine.quota_cores


def _throttled(profile: Profile) -> float | Missing:
    share = profile.machine.throttled_share
    return Missing("the cgroup's throttling counters") if share is None else share


RULE = Rule(
    id="cpu-quota",
    page=__doc__,
    check=check,
    needs=(
        Need("a CPU quota of the cgroup", _quota),
        STARVED_LOOP,
        Need("the cgroup's throttling counters", _throttled),
    ),
    thresholds=Thresholds(),
    hides=("cpu-saturated", "thread-oversubscription"),
    traits=Traits(
        about_input=True,
        lanes=("cpu_busy", "throttling", "cpu_pressure", "io_pressure", "input_wait"),
        windows="waiting",
    ),
)
