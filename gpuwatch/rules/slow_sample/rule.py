"""Ready batches queue behind one late one: in-order delivery.

What it means
    Each worker makes whole batches, and the loader hands them over in order. When one batch holds a slow sample, the
    batches after it are done and wait, and so does the training; later the workers idle because the queue is full.

How it is measured
    While the training waited for a batch, were later ones already there? The share of the waited time for which that
    holds, the spread of the batches' cost without waiting for a core (95th percentile against the median), and the
    workers' idle time, which is all that another order can win.

When it is wrong
    Bursts from start-up or a cold cache look alike for a moment; the shares are taken after the warm-up.

What to do
    Pass in_order=False to the DataLoader (torch 2.6 and later) if the order does not matter, spread the slow samples
    (bucket or cap their size), or raise prefetch_factor so that the queue rides over them.
"""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import Starved, certainty, starved_loop, try_command, wait_evidence
from gpuwatch.model.findings import Clear, Evidence, Finding, NotEvaluated, Speedup
from gpuwatch.model.profile import Profile

ID = "slow-sample"
LATE_SHARE = 0.3
SPREAD = 1.8
# Workers that hardly rest have no idle time that another order could fill.
BUSY_SHARE = 0.8
MIN_GAIN = 1.05


def check(profile: Profile) -> Finding | Clear | NotEvaluated:
    """Report a starved loop whose wait is for one late batch while later ones stand ready."""
    seen = starved_loop(profile, ID)
    if not isinstance(seen, Starved):
        return seen
    queue, fetch = seen.loader.queue, seen.fetch
    if seen.loader.workers < 2 or not seen.loader.in_order:
        return Clear(ID)
    if queue is None or queue.late_share is None:
        return NotEvaluated(ID, "the state of the loader's queue")
    spread = fetch.work_spread or fetch.p95_wall_ms / max(fetch.wall_ms.median, 1e-6)
    speedup = _speedup(seen)
    if queue.late_share < LATE_SHARE or spread < SPREAD or speedup.predicted < MIN_GAIN:
        return Clear(ID)
    if (fetch.busy_share or 0.0) > BUSY_SHARE:
        return Clear(ID)
    return Finding(
        id=ID,
        severity="critical" if queue.late_share >= 0.5 else "warning",
        confidence=certainty(seen.state),
        summary=f"{queue.late_share:.0%} of the wait is for a late batch while later ones are ready; slow batches take {spread:.1f} times the median",
        evidence=(
            wait_evidence(seen.loader),
            Evidence(
                "waited while later batches were ready",
                round(queue.late_share, 4),
                "share",
                LATE_SHARE,
                seen.loader.steps,
            ),
            Evidence("batch cost, 95th percentile over median", round(spread, 2), "ratio", SPREAD, fetch.n),
            Evidence("slowest batch", round(fetch.max_wall_ms, 1), "ms", n=fetch.n),
            Evidence("worker busy", fetch.busy_share, "share", BUSY_SHARE),
        ),
        advice="Pass in_order=False (torch 2.6+), or cap the cost of the slow samples; a larger prefetch_factor helps a little.",
        where=seen.loader.created_where,
        speedup=speedup,
        verify=try_command(profile, "--remedies out-of-order"),
        edit="DataLoader(..., in_order=False)",
        explains=("too-few-workers", "coarse-batches"),
    )


def _speedup(seen: Starved) -> Speedup:
    """Predict that workers never idle for the sake of order: the mean cost over the workers is the limit."""
    costs, busy = seen.costs, min(seen.fetch.busy_share or 1.0, 1.0)
    free = max(costs.device_ms, costs.step_ms * busy)
    after = replace(costs, workers=0, device_ms=free, work_ms=0.0)
    return throughput.predict(costs, after, "workers' idle time in the loop filled", 0.3)
