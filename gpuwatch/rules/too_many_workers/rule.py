"""Most workers idle, and starting or keeping them costs something.

What it means
    The device takes batches more slowly than a few workers make them. The rest wait, but each was started (again
    every epoch unless persistent) and holds its own copy of the dataset in memory.

How it is measured
    The workers' busy share while the loop ran, the number of workers that the throughput model needs, and the price
    of the surplus: start-up as a share of the loop, and resident memory.

When it is wrong
    Spare workers absorb bursts (slow samples, cold caches). The number advised keeps one in reserve.

What to do
    Lower num_workers to the number named; nothing gets slower, start-up and memory shrink.
"""

from __future__ import annotations

import math

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import MIN_STEPS
from gpuwatch.model.findings import Clear, Evidence, Finding, NotEvaluated
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.profile import Costs, Profile

ID = "too-many-workers"
BUSY_SHARE = 0.5
STARTUP_SHARE = 0.10
MEMORY_SHARE = 0.15


def check(profile: Profile) -> Finding | Clear | NotEvaluated:
    """Report workers beyond the need that cost start-up or memory."""
    loader, costs = profile.primary, profile.costs
    if loader is None or loader.steps < MIN_STEPS or costs is None:
        return NotEvaluated(ID, "a measured loop over a DataLoader")
    if loader.workers < 2:
        return Clear(ID)
    if loader.fetch is None or loader.fetch.busy_share is None:
        return NotEvaluated(ID, "what the workers did")
    enough = max(math.ceil(costs.work_ms / costs.device_ms * 1.1) + 1, 1)
    startup, memory = _startup_share(costs), _memory_share(profile, loader.workers - enough)
    dear = startup >= STARTUP_SHARE or memory >= MEMORY_SHARE
    if loader.fetch.busy_share >= BUSY_SHARE or loader.workers < 2 * enough or not dear:
        return Clear(ID)
    return _finding(loader, costs, enough, startup, memory)


def _finding(loader: LoaderProfile, costs: Costs, enough: int, startup: float, memory: float) -> Finding:
    busy = loader.fetch.busy_share if loader.fetch else None
    return Finding(
        id=ID,
        severity="warning" if startup >= STARTUP_SHARE else "info",
        confidence="medium",
        summary=f"{loader.workers} workers are busy {busy or 0:.0%} of the time; {enough} would do",
        evidence=(
            Evidence("worker busy", busy, "share", BUSY_SHARE, loader.fetch.n if loader.fetch else None),
            Evidence("workers needed", enough, "processes"),
            Evidence("start-up of the loop", round(startup, 4), "share", STARTUP_SHARE, int(costs.iterators)),
            Evidence("memory of surplus workers", round(memory, 4), "share of memory", MEMORY_SHARE),
        ),
        advice=f"Lower num_workers from {loader.workers} to {enough}.",
        where=loader.created_where,
        speedup=throughput.predict(
            costs, throughput.with_workers(costs, enough), "throughput model: start-up of fewer workers", 0.5
        ),
        edit=f"DataLoader(..., num_workers={enough})",
    )


def _startup_share(costs: Costs) -> float:
    return costs.iterators * costs.startup_s / costs.seconds if costs.seconds > 0 else 0.0


def _memory_share(profile: Profile, surplus: int) -> float:
    memory, total = profile.machine.worker_memory, profile.machine.memory_total_bytes
    if memory is None or memory.rss_bytes is None or not total or memory.workers == 0 or surplus <= 0:
        return 0.0
    return surplus * memory.rss_bytes / memory.workers / total
