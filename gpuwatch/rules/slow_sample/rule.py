"""Ready batches wait behind one late batch: in-order delivery.

What it means
    Each worker makes whole batches, and the loader hands them over in order. When one batch holds a slow sample, the
    batches after it are done and wait, and so does the training; later the workers idle because the queue is full.

How it is measured
    While the training waited for a batch, were later ones already there? The share of the waited time for which that
    holds, the spread of the batches' cost without waiting for a core (95th percentile against the median), and the
    workers' idle time, which is all that another order can win.

When it is wrong
    Bursts from start-up or a cold cache look similar for a moment; the shares are taken after warm-up.

What to do
    Pass in_order=False to the DataLoader (torch 2.6 and later) if the order does not matter, spread the slow samples
    (bucket or cap their size), or raise prefetch_factor so that the queue absorbs them.
"""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import certainty, wait_evidence
from gpuwatch.diagnosis.frameworks import loader_edit
from gpuwatch.diagnosis.needs import QUEUE, SEVERAL_WORKERS, STARVED_LOOP, Starved
from gpuwatch.diagnosis.rule import NOT_SO, Found, Need, NotSo, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Speedup, Traits
from gpuwatch.model.loader_profile import QueueProfile
from gpuwatch.model.profile import Profile
from gpuwatch.records import dataclass


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    late_share: Threshold = Threshold(0.3, "share of the wait", "Less of the wait is what any order costs.")
    spread: Threshold = Threshold(1.8, "times the median", "Batches that differ less arrive about in order.")
    busy_share: Threshold = Threshold(
        0.8, "share of the time", "Workers that hardly rest have no idle time that another order could fill."
    )
    min_gain: Threshold = Threshold(1.05, "times", "A smaller gain is within what two runs differ by.")
    critical_share: Threshold = Threshold(0.5, "share of the wait", "Half of the wait.")


def check(
    profile: Profile, t: Thresholds, seen: Starved, workers: int, queue: QueueProfile, in_order: bool
) -> Found | None:
    """Report a starved loop whose wait is for one late batch while later ones stand ready."""
    fetch, late = seen.fetch, queue.late_share or 0.0
    spread = fetch.work_spread or fetch.p95_wall_ms / max(fetch.wall_ms.median, 1e-6)
    speedup = _speedup(seen)
    if late < t.late_share or spread < t.spread or speedup.predicted < t.min_gain:
        return None
    if (fetch.busy_share or 0.0) > t.busy_share:
        return None
    return Found(
        severity="critical" if late >= t.critical_share else "warning",
        confidence=certainty(seen.state),
        summary=f"{late:.0%} of the wait is for a late batch while later ones are ready; slow batches take {spread:.1f} times the median",
        evidence=(
            wait_evidence(seen.loader),
            Evidence(
                "waited while later batches were ready",
                round(late, 4),
                "share",
                t.late_share,
                seen.loader.steps,
            ),
            Evidence("batch cost, 95th percentile over median", round(spread, 2), "ratio", t.spread, fetch.n),
            Evidence("slowest batch", round(fetch.max_wall_ms, 1), "ms", n=fetch.n),
            Evidence("worker busy", fetch.busy_share, "share", t.busy_share),
        ),
        advice="Pass in_order=False (torch 2.6+), or cap the cost of the slow samples; a larger prefetch_factor helps a little.",
        where=seen.loader.created_where,
        speedup=speedup,
        verify="try --remedies out-of-order",
        edit=loader_edit(seen.loader, {"in_order": False}),
    )


def _in_order(profile: Profile) -> bool | NotSo:
    return (profile.primary is not None and profile.primary.in_order) or NOT_SO


def _speedup(seen: Starved) -> Speedup:
    """Predict that workers never idle for the sake of order: the mean cost over the workers is the limit."""
    costs, busy = seen.costs, min(seen.fetch.busy_share or 1.0, 1.0)
    free = max(costs.device_ms, costs.step_ms * busy)
    after = replace(costs, workers=0, device_ms=free, work_ms=0.0)
    return throughput.predict(costs, after, "workers' idle time in the loop filled", 0.3)


RULE = Rule(
    id="slow-sample",
    page=__doc__,
    check=check,
    needs=(
        STARVED_LOOP,
        SEVERAL_WORKERS,
        QUEUE,
        Need("batches delivered in order", _in_order),
    ),
    thresholds=Thresholds(),
    by_events=True,
    hides=("too-few-workers", "coarse-batches"),
    traits=Traits(about_input=True, windows="waiting", remedies=("out-of-order", "more-prefetch")),
)
