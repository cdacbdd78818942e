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

from dataclasses import replace

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import Starved, certainty, starved_loop, wait_evidence
from gpuwatch.model.findings import Clear, Evidence, Finding, NotEvaluated
from gpuwatch.model.profile import Profile

ID = "cpu-quota"
THROTTLED_SHARE = 0.05


def check(profile: Profile) -> Finding | Clear | NotEvaluated:
    """Report a starved loop that a cgroup quota holds back."""
    machine = profile.machine
    if machine.quota_cores is None:
        return Clear(ID) if machine.affinity_cores is not None else NotEvaluated(ID, "the cgroup's CPU quota")
    seen = starved_loop(profile, ID)
    if not isinstance(seen, Starved):
        return seen
    throttled = machine.throttled_share
    if throttled is None:
        return NotEvaluated(ID, "the cgroup's throttling counters")
    if throttled < THROTTLED_SHARE or machine.quota_cores >= (machine.affinity_cores or machine.cores or 1):
        return Clear(ID)
    after = replace(seen.costs, cores=float(machine.affinity_cores or machine.cores or seen.costs.cores))
    return Finding(
        id=ID,
        severity="critical" if throttled >= 0.2 else "warning",
        confidence=certainty(seen.state),
        summary=f"the CPU quota of {machine.quota_cores:.2g} cores throttled this run in {throttled:.0%} of the periods",
        evidence=(
            wait_evidence(seen.loader),
            Evidence("CPU quota", machine.quota_cores, "cores"),
            Evidence("cores by affinity", machine.affinity_cores, "cores"),
            Evidence("throttled periods", round(throttled, 4), "share", THROTTLED_SHARE),
        ),
        advice=f"Raise the container's CPU limit, or size workers and library threads for {machine.quota_cores:.2g} cores.",
        speedup=throughput.predict(seen.costs, after, "throughput model: all cores of the affinity mask", 0.3),
        explains=("cpu-saturated", "thread-oversubscription"),
    )
