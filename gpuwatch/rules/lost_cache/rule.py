"""Samples are kept in the dataset, in workers that end with their epoch: the next one makes them again.

What it means
    A dataset that keeps what it has read or computed (a dict by index, a list with a place for each sample, lru_cache)
    does so in each worker's copy. Without persistent_workers=True, or where the iterator is re-created, the workers end
    with the epoch and take what they kept with them. The cache costs memory and never pays.

How it is measured
    The entries of the dataset's mappings and functools caches, in each worker, before its first sample and at its end:
    they grow by about a sample each in every epoch, from nothing; the workers' pids differ from epoch to epoch; and a
    batch of a later epoch takes as long as one of the first.

When it is wrong
    A mapping that grows with every sample may be no cache, but something that is collected. Samples that differ at
    each visit cannot be kept.

What to do
    Pass persistent_workers=True and keep one DataLoader. With shuffle=True each worker keeps only what it was given: it
    takes as many epochs as there are workers until most samples are kept, and each worker keeps all in the end. Filling
    the cache before the workers start (fork) pays from the first epoch on and keeps one copy; a file keeps it for later runs.
"""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import certainty, share_of, wait_evidence
from gpuwatch.diagnosis.frameworks import loader_edit
from gpuwatch.diagnosis.needs import STARVED_LOOP, WORKERS, Starved
from gpuwatch.diagnosis.rule import NOT_SO, Found, Group, Missing, Need, NotSo, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Speedup, Traits
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.profile import Costs, Profile
from gpuwatch.model.worker_profile import WorkersProfile
from gpuwatch.records import dataclass

_LOSSES = ("worker-restart", "worker-memory-growth", "too-few-workers", "cpu-saturated")
CACHES = ("dict", "slots", "lru_cache")


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    kept_share: Threshold = Threshold(0.5, "entries per sample", "What grows less does not keep the samples.")
    min_epochs: Threshold = Threshold(2, "epochs", "One epoch has no later one that could use the cache.")
    critical_gain: Threshold = Threshold(1.15, "times", "More than what runs differ by, with certainty.")
    cost_ratio: Threshold = Threshold(0.5, "times the first epoch's", "A cache that is used makes batches far cheaper.")
    hits: Threshold = Threshold(
        0.5, "share of the samples", "Found that often, samples are no longer what a batch costs."
    )


def check(profile: Profile, t: Thresholds, seen: Starved, workers: int, lost: WorkersProfile) -> Found | None:
    """Report a cache in the dataset that grows in every epoch from nothing and never makes a batch cheaper."""
    kept, samples = lost.kept, _samples_per_epoch(seen.loader)
    if kept is None or kept.kind not in CACHES or not samples or kept.epochs < t.min_epochs:
        return None
    per_sample = kept.grown / samples
    if per_sample < t.kept_share or kept.cost_ratio is None or kept.cost_ratio < t.cost_ratio:
        return None
    hits = _hits(seen.loader, workers, lost.epochs)
    speedup = _speedup(seen, hits)
    return Found(
        severity="critical" if speedup.predicted >= t.critical_gain else "warning",
        confidence=certainty(seen.state, default="high" if kept.kind == "lru_cache" else "medium"),
        summary=f"{kept.name} keeps {kept.grown:,.0f} samples in each epoch and is lost with the workers at its end, "
        f"{lost.epochs} times",
        evidence=(
            wait_evidence(seen.loader),
            Evidence("entries kept per sample", round(per_sample, 3), "entries per sample", t.kept_share, kept.epochs),
            Evidence("a batch of later epochs", round(kept.cost_ratio, 3), "times the first epoch's", t.cost_ratio),
            Evidence("worker processes", lost.processes, "processes"),
            Evidence("memory gained per worker and epoch", lost.rss_growth_bytes, "bytes"),
            Evidence("samples found in the cache with persistent workers", round(hits, 3), "share", n=lost.epochs),
        ),
        advice=_advice(seen.loader),
        where=seen.loader.created_where,
        speedup=speedup,
        verify=None if seen.loader.attributes.get("remade") else "try --remedies persistent-workers",
        edit=loader_edit(seen.loader, {"persistent_workers": True}),
        hides=(*_LOSSES, Group.BATCH_COST) if hits >= t.hits else _LOSSES,
    )


def _advice(loader: LoaderProfile) -> str:
    kept = (
        "Make one DataLoader and keep its iterator's workers" if loader.persistent else "Pass persistent_workers=True"
    )
    if _is_shuffled(loader):
        return (
            f"{kept}: the cache then lives on. Better, as the data is shuffled and each worker keeps only what it is given:"
            " fill the cache before the loop, so that the workers inherit it (fork), or keep it in a file."
        )
    return f"{kept}: the cache then pays from the second epoch on. Filled before the loop, workers inherit it (fork)."


def _is_shuffled(loader: LoaderProfile) -> bool:
    return "Random" in str(loader.attributes.get("sampler") or "")


def _samples_per_epoch(loader: LoaderProfile) -> float:
    if loader.dataset_length:
        return float(loader.dataset_length)
    return (loader.epoch_batches or 0.0) * (loader.batch_size or 0)


def _hits(loader: LoaderProfile, workers: int, epochs: int) -> float:
    """Return the share of samples that workers that live on would find: shuffled ones only if the same worker had them."""
    missed = 1.0 - 1.0 / workers if _is_shuffled(loader) else 0.0
    return sum(1.0 - missed**epoch for epoch in range(epochs)) / max(epochs, 1)


def _speedup(seen: Starved, hits: float) -> Speedup:
    """Predict samples that are found at no cost, and workers that start once; the low end is the latter alone."""
    part = share_of(seen.loader, "dataset") or 1.0
    kept = throughput.with_work(seen.costs, max(1.0 - part * hits, 1e-3))
    basis = "throughput model: kept samples cost nothing from the second visit on, workers start once"
    best = throughput.predict(seen.costs, _started_once(seen.loader, kept), basis)
    least = throughput.predict(seen.costs, _started_once(seen.loader, seen.costs), basis)
    return replace(best, low=min(max(least.low, 1.0), best.predicted))


def _started_once(loader: LoaderProfile, costs: Costs) -> Costs:
    first, passes = loader.first_batch_s, max(len(loader.first_batch_s), 1)
    kept = (max(first, default=0.0) + (passes - 1) * costs.work_ms / 1e3) / passes
    return throughput.with_startups(costs, costs.iterators, min(kept, costs.startup_s))


def _ended_workers(profile: Profile) -> WorkersProfile | Missing | NotSo:
    """Return what workers did of which each epoch had others."""
    loader = profile.primary
    seen = loader.workers_seen if loader else None
    if loader is None or seen is None:
        return Missing("what each worker kept")
    return seen if seen.epochs > 1 and seen.processes > seen.workers else NOT_SO


RULE = Rule(
    id="lost-cache",
    page=__doc__,
    check=check,
    needs=(STARVED_LOOP, WORKERS, Need("workers that end with their epoch", _ended_workers)),
    thresholds=Thresholds(),
    by_events=True,
    hides=(*_LOSSES, Group.BATCH_COST),
    traits=Traits(about_input=True, lanes=("input_wait", "worker"), remedies=("persistent-workers",)),
)
