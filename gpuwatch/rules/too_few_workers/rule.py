"""The workers are busy nearly all the time, and there are cores for more of them.

What it means
    The loader makes batches as fast as its workers can, the device takes them faster, and the machine has cores
    that nobody uses. More workers help until the device is the limit or the cores are.

How it is measured
    Workers' busy share (time not spent waiting for an index while the loop ran), the share of each step waited, and
    the cores left idle by everything on the machine. The number of workers is the smallest within 3 % of the best
    that the throughput model predicts.

When it is wrong
    If the workers wait for one shared thing (a lock, a slow disk), more of them share it. If the sampler saw no
    idle core, cpu-saturated speaks instead.

What to do
    Raise num_workers to the number named. Memory grows with each worker (see worker-memory-growth).
"""

from __future__ import annotations

from gpuwatch.analyze import throughput
from gpuwatch.analyze.lines.waiting import takes_turns
from gpuwatch.diagnosis.evidence import (
    BATCH_COST,
    blocked_share,
    certainty,
    hot_line,
    missing_starvation,
    starved,
    try_command,
    wait_evidence,
)
from gpuwatch.model.findings import Clear, Evidence, Finding, NotEvaluated
from gpuwatch.model.profile import Profile

ID = "too-few-workers"
BUSY_SHARE = 0.75
MIN_GAIN = 1.05


def check(profile: Profile) -> Finding | Clear | NotEvaluated:
    """Report a starved loop whose workers never rest although more of them would find cores."""
    loader, costs = profile.primary, profile.costs
    state = starved(profile)
    if loader is None or state is None:
        return NotEvaluated(ID, *missing_starvation(profile))
    if loader.workers == 0 or state == "no":
        return Clear(ID)
    if loader.fetch is None or loader.fetch.busy_share is None or costs is None:
        return NotEvaluated(ID, "what the workers did")
    if profile.machine.spare_cores is None and (blocked_share(loader) or 0.0) < 0.5:
        return NotEvaluated(ID, "the machine's idle cores")
    if takes_turns(hot_line(profile, "worker", "fetch")):
        return Clear(ID)
    best = throughput.best_workers(costs)
    speedup = throughput.predict(costs, throughput.with_workers(costs, best), "throughput model: P / n")
    if loader.fetch.busy_share < BUSY_SHARE or best <= loader.workers or speedup.predicted < MIN_GAIN:
        return Clear(ID)
    return Finding(
        id=ID,
        severity="critical" if speedup.predicted >= 1.15 else "warning",
        confidence=certainty(state),
        summary=f"{loader.workers} worker{'s are' if loader.workers > 1 else ' is'} busy {loader.fetch.busy_share:.0%} of the time"
        f" and {round(costs.spare_cores, 1):g} cores are idle",
        evidence=(
            wait_evidence(loader),
            Evidence("worker busy", round(loader.fetch.busy_share, 4), "share", BUSY_SHARE, loader.fetch.n),
            Evidence("work per batch", round(costs.work_ms, 3), "ms", n=loader.fetch.n),
            Evidence("of it on a core", round(costs.work_cpu_ms, 3), "ms", n=loader.fetch.n),
            Evidence("step without waiting", round(costs.device_ms, 3), "ms", n=loader.steps),
            Evidence("idle cores", round(costs.spare_cores, 2), "cores"),
        ),
        advice=f"Raise num_workers from {loader.workers} to {best}.",
        where=loader.created_where,
        speedup=speedup,
        verify=try_command(profile, "--loader"),
        edit=f"DataLoader(..., num_workers={best})",
        explains=BATCH_COST if throughput.hides_input(costs, best) else (),
    )
