"""The workers are busy nearly all the time, and there are cores for more of them.

What it means
    The loader makes batches as fast as its workers can, the device takes them faster, and the machine has idle
    cores. More workers help until the device is the limit or the cores are.

How it is measured
    Workers' busy share (time not spent waiting for an index while the loop ran), the share of each step waited, and
    the cores left idle by everything on the machine. The number of workers is the smallest within 3 % of the best
    that the throughput model predicts. Workers that compute are given a core each; those that are blocked half of a
    batch's time or more (reads, requests) may be more than the cores.

When it is wrong
    If the workers wait for one shared thing (a lock, a slow disk), more of them share it. If the sampler found no
    idle core, cpu-saturated is reported instead. Each worker has a copy of an iterable dataset: more of them share its data
    only where it gives each a part. Where neither its workers nor its code (torch.utils.data.get_worker_info) say so, the rule
    is not evaluated.

What to do
    Raise num_workers to the number named. Memory grows with each worker (see worker-memory-growth).
"""

from __future__ import annotations

import math

from gpuwatch.analyze import throughput
from gpuwatch.analyze.lines.waiting import takes_turns
from gpuwatch.diagnosis.evidence import blocked_share, certainty, hot_line, wait_evidence
from gpuwatch.diagnosis.frameworks import loader_edit, who_set
from gpuwatch.diagnosis.needs import (
    BLOCKED_SHARE,
    BUSY_WORKERS,
    IDLE_CORES,
    STARVED_LOADER,
    WORKERS,
    StarvedLoader,
)
from gpuwatch.diagnosis.rule import Found, Group, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.diagnosis.worker_shares import DIVISIBLE
from gpuwatch.model.findings import Evidence, Traits
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.profile import Costs, Profile
from gpuwatch.records import dataclass
from gpuwatch.words.units import count


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    busy_share: Threshold = Threshold(
        0.75, "share of the time", "Workers that rest a quarter of the time are not the limit."
    )
    min_gain: Threshold = Threshold(1.05, "times", "A smaller gain is within what two runs differ by.")
    critical_gain: Threshold = Threshold(1.15, "times", "More than what runs differ by, with certainty.")


def check(
    profile: Profile, t: Thresholds, seen: StarvedLoader, workers: int, busy: float, idle_cores: float, divisible: bool
) -> Found | None:
    """Report a starved loop whose workers never rest although more of them would find cores."""
    loader, costs = seen.loader, profile.costs
    if costs is None or loader.fetch is None or takes_turns(hot_line(profile, "worker", "fetch")):
        return None
    best = throughput.best_workers(costs)
    speedup = throughput.predict(costs, throughput.with_workers(costs, best), "throughput model: P / n")
    if busy < t.busy_share or speedup.predicted < t.min_gain or best <= workers:
        return None
    return Found(
        severity="critical" if speedup.predicted >= t.critical_gain else "warning",
        confidence=certainty(seen.state),
        summary=f"{count(workers, 'worker')} {'are' if workers > 1 else 'is'} busy {busy:.0%} of the time and {_room(loader, costs)}",
        evidence=(
            wait_evidence(loader),
            Evidence("worker busy", round(busy, 4), "share", t.busy_share, loader.fetch.n),
            Evidence("work per batch", round(costs.work_ms, 3), "ms", n=loader.fetch.n),
            Evidence("of it on a core", round(costs.work_cpu_ms, 3), "ms", n=loader.fetch.n),
            Evidence("step without waiting", round(costs.device_ms, 3), "ms", n=loader.steps),
            Evidence("idle cores", round(costs.spare_cores, 2), "cores"),
        ),
        advice=f"Raise num_workers from {workers} to {best}{_because(loader, costs, best)}.{who_set(loader)}",
        where=loader.created_where,
        speedup=speedup,
        verify="try --loader",
        edit=loader_edit(loader, {"num_workers": best}),
        hides=(Group.BATCH_COST,) if throughput.hides_input(costs, best) else (),
    )


def _room(loader: LoaderProfile, costs: Costs) -> str:
    """Say what more workers would use: idle cores, or the time in which the present ones wait for something else."""
    if _waits(loader):
        return f"blocked {blocked_share(loader):.0%} of a batch's time"
    return count(round(costs.spare_cores, 1), "core is idle", "cores are idle")


def _because(loader: LoaderProfile, costs: Costs, best: int) -> str:
    """Return on what so many workers rest: beyond the cores they help only while they wait."""
    if _waits(loader):
        beyond = ", more than there are cores" if best > costs.cores + 0.5 else ""
        return f"{beyond}: they mostly wait, and waiting needs no core"
    return ": they compute, and there are cores for no more" if best >= math.floor(costs.cores) else ""


def _waits(loader: LoaderProfile) -> bool:
    return (blocked_share(loader) or 0.0) >= BLOCKED_SHARE


RULE = Rule(
    id="too-few-workers",
    page=__doc__,
    check=check,
    needs=(
        STARVED_LOADER,
        WORKERS,
        BUSY_WORKERS,
        IDLE_CORES,
        DIVISIBLE,
    ),
    thresholds=Thresholds(),
    hides=(Group.BATCH_COST,),
    traits=Traits(about_input=True, workers="more", windows="waiting", remedies=("workers",)),
)
