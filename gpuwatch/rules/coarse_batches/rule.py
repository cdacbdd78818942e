"""Too few batches in flight for the workers: they come in bursts.

What it means
    A worker makes a whole batch alone. When an epoch has about as few batches as there are workers, the training
    waits for the first one to be done, gets them all at once, and waits again. More workers change nothing.

How it is measured
    Batches per epoch against the workers, and the time until an epoch's first batch that goes into making the batch
    itself (not into starting the workers), as a share of the loop.

When it is wrong
    If starting the workers takes that time, worker-restart is the cause.

What to do
    Smaller batches in the loader (accumulate gradients to keep the effective size), several epochs in one pass
    (a repeating sampler), or splitting the work inside a batch.
"""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import missing_starvation
from gpuwatch.diagnosis.needs import COSTS, SEVERAL_WORKERS
from gpuwatch.diagnosis.rule import Found, Missing, Need, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Speedup, Traits
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.profile import Costs, Profile
from gpuwatch.records import dataclass
from gpuwatch.words.units import count, milliseconds


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    fill_share: Threshold = Threshold(
        0.15, "share of the loop", "A shorter wait for the first batch is what any epoch has."
    )
    batches_per_worker: Threshold = Threshold(
        2.0, "batches", "With more than two batches for each worker the stream evens out."
    )
    critical_share: Threshold = Threshold(
        0.3, "share of the loop", "A third of the loop is spent waiting for first batches."
    )
    sure_epochs: Threshold = Threshold(3, "epochs", "Of fewer epochs one may be an exception.")


def check(profile: Profile, t: Thresholds, loader: LoaderProfile, workers: int, costs: Costs) -> Found | Missing | None:
    """Report epochs of few large batches whose first one takes a good part of the loop."""
    if loader.fetch is None:
        return Missing("events of the fetches")
    per_worker = (loader.epoch_batches or 0.0) / workers
    fill = fill_share(loader, costs)
    if per_worker > t.batches_per_worker or fill < t.fill_share:
        return None
    if len(loader.first_batch_s) < 2:
        return Missing("a second epoch: the first one may not have come to its end")
    return Found(
        severity="critical" if fill >= t.critical_share else "warning",
        confidence="high" if len(loader.first_batch_s) >= t.sure_epochs else "medium",
        summary=f"{count(loader.epoch_batches or 0.0, 'batch', 'batches')} per epoch for {count(workers, 'worker')}: they arrive in bursts of"
        f" {milliseconds(costs.work_ms)} of work each",
        evidence=(
            Evidence("batches per worker and epoch", round(per_worker, 2), "batches", t.batches_per_worker),
            Evidence(
                "waiting for the first batch to be made",
                round(fill, 4),
                "share of the loop",
                t.fill_share,
                len(loader.first_batch_s),
            ),
            Evidence("work per batch", round(costs.work_ms, 2), "ms", n=loader.fetch.n),
            Evidence("step without waiting", round(costs.device_ms, 2), "ms", n=loader.steps),
        ),
        advice="Load in smaller batches (and accumulate gradients), or run several epochs as one pass over a repeating sampler.",
        where=loader.created_where,
        speedup=_speedup(loader, costs, t.batches_per_worker),
    )


def _epochs(profile: Profile) -> LoaderProfile | Missing:
    loader = profile.primary
    return Missing(*missing_starvation(profile)) if loader is None or loader.epoch_batches is None else loader


def fill_share(loader: LoaderProfile, costs: Costs) -> float:
    """Return the share of the loop spent while the first batch of each epoch was being made."""
    made = sum(min(first, costs.work_ms / 1e3) for first in loader.first_batch_s)
    return made / costs.seconds if costs.seconds > 0 else 0.0


def _speedup(loader: LoaderProfile, costs: Costs, batches_per_worker: float) -> Speedup:
    """Predict an even stream of the same work: P / min(n, cores) per batch, first batches a small part of one."""
    per_batch = max(costs.device_ms, throughput.input_ms(costs))
    pieces = max(2 * batches_per_worker * loader.workers / max(loader.epoch_batches or 1.0, 1.0), 2.0)
    # An epoch's last batch may be short: the usual one is what its first is like.
    made_s = max(costs.work_ms, loader.fetch.wall_ms.median if loader.fetch else 0.0) / 1e3
    first = max(costs.startup_s - (1 - 1 / pieces) * made_s, 0.0)
    # What an epoch began with is then made like the rest.
    batches = costs.batches + (1 - 1 / pieces) * costs.iterators
    after = replace(costs, workers=0, device_ms=per_batch, work_ms=0.0, startup_s=first, batches=batches)
    return throughput.predict(costs, after, "throughput model: the same work in finer pieces", 0.3)


RULE = Rule(
    id="coarse-batches",
    page=__doc__,
    check=check,
    needs=(
        Need("the number of batches in an epoch", _epochs),
        SEVERAL_WORKERS,
        COSTS,
    ),
    thresholds=Thresholds(),
    hides=("too-few-workers", "too-many-workers"),
    traits=Traits(about_input=True, windows="waiting", remedies=("more-prefetch",)),
)
