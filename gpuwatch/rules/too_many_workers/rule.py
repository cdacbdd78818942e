"""Most workers idle, and starting or keeping them has a cost.

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
from gpuwatch.diagnosis.frameworks import loader_edit
from gpuwatch.diagnosis.needs import BUSY_WORKERS, MEASURED_LOOP, SEVERAL_WORKERS, MeasuredLoop
from gpuwatch.diagnosis.rule import Found, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Traits
from gpuwatch.model.profile import Costs, Profile
from gpuwatch.records import dataclass
from gpuwatch.words.units import count


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    busy_share: Threshold = Threshold(
        0.5, "share of the time", "Workers that are busy half of the time are none too many."
    )
    startup_share: Threshold = Threshold(0.10, "share of the loop", "A shorter start-up of workers costs little.")
    memory_share: Threshold = Threshold(0.15, "share of the memory", "Less memory costs nothing.")
    surplus: Threshold = Threshold(2, "times the workers needed", "A few spare workers even out slow batches.")


def check(profile: Profile, t: Thresholds, seen: MeasuredLoop, workers: int, busy: float) -> Found | None:
    """Report workers beyond the need that cost start-up or memory."""
    loader, costs = seen
    enough = max(math.ceil(costs.work_ms / costs.device_ms * 1.1) + 1, 1)
    startup, memory = _startup_share(costs), _memory_share(profile, workers - enough)
    costly = startup >= t.startup_share or memory >= t.memory_share
    if busy >= t.busy_share or workers / enough < t.surplus or not costly:
        return None
    return Found(
        severity="warning" if startup >= t.startup_share else "info",
        confidence="medium",
        summary=f"{count(workers, 'worker')} are busy {busy:.0%} of the time; {enough} would be enough",
        evidence=(
            Evidence("worker busy", busy, "share", t.busy_share, loader.fetch.n if loader.fetch else None),
            Evidence("workers needed", enough, "processes"),
            Evidence("start-up of the loop", round(startup, 4), "share", t.startup_share, int(costs.iterators)),
            Evidence("memory of surplus workers", round(memory, 4), "share of memory", t.memory_share),
        ),
        advice=f"Lower num_workers from {workers} to {enough}.",
        where=loader.created_where,
        speedup=throughput.predict(
            costs, throughput.with_workers(costs, enough), "throughput model: start-up of fewer workers", 0.5
        ),
        edit=loader_edit(loader, {"num_workers": enough}),
    )


def _startup_share(costs: Costs) -> float:
    return costs.iterators * costs.startup_s / costs.seconds if costs.seconds > 0 else 0.0


def _memory_share(profile: Profile, surplus: int) -> float:
    memory, total = profile.machine.worker_memory, profile.machine.memory_total_bytes
    if memory is None or memory.rss_bytes is None or not total or memory.workers == 0 or surplus <= 0:
        return 0.0
    return surplus * memory.rss_bytes / memory.workers / total


RULE = Rule(
    id="too-many-workers",
    page=__doc__,
    check=check,
    needs=(
        MEASURED_LOOP,
        SEVERAL_WORKERS,
        BUSY_WORKERS,
    ),
    thresholds=Thresholds(),
    traits=Traits(about_input=True, workers="fewer", windows="waiting", remedies=("workers",)),
)
