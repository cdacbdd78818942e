"""An in-memory dataset is fetched item by item.

What it means
    The data is a tensor or an array in memory. Taking one row, then another, and stacking them again costs hundreds of
    Python calls for what one indexing call does; worker processes add copying on top.

How it is measured
    A dataset of tensors or arrays held in memory (TensorDataset, or a __getitem__ that only indexes them), fetched
    without __getitems__, where an item takes microseconds and the Python around it is the cost: no decoding, no
    transform, hardly any bytes read.

When it is wrong
    If a transform works on each item, that is the cost, and batching the access wins little.

What to do
    Index whole batches: a __getitems__ method, a BatchSampler passed as sampler with batch_size=None, or plain slicing
    of the tensors in the loop, with num_workers=0.
"""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.evidence import certainty, share_of
from gpuwatch.diagnosis.needs import WORKING_LOOP, Starved
from gpuwatch.diagnosis.rule import Found, Missing, Need, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Speedup, Traits
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.profile import Costs, Profile
from gpuwatch.records import dataclass
from gpuwatch.words.units import milliseconds

IN_MEMORY = ("tensor", "memory", "array")
# One indexing call per tensor instead of one per row and a stack: 90 times measured for rows of 2 x float32.
CHEAPER = 10.0


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    us_per_sample: Threshold = Threshold(150.0, "µs", "Work that takes longer is more than indexing.")
    collate_share: Threshold = Threshold(0.1, "share of the fetch", "Rows of a dataset in memory are mostly collated.")
    min_gain: Threshold = Threshold(1.1, "times", "A smaller gain is not worth another way of fetching.")
    min_samples: Threshold = Threshold(4, "samples per batch", "With fewer there is hardly anything to take together.")
    work_share: Threshold = Threshold(0.1, "share of the fetch", "Decoding or transforming is work, not access.")
    read_bytes: Threshold = Threshold(64, "bytes per sample", "What is read from files is not in memory.")


def check(profile: Profile, t: Thresholds, seen: Starved, samples: float) -> Found | None:
    """Report a starved loop over data in memory that is taken row by row."""
    loader, fetch = seen.loader, seen.fetch
    access = 1.0 - (share_of(loader, "collate") if _has_own_collate(loader) else 0.0)
    us = access * 1e3 * fetch.wall_ms.median / samples
    speedup = _speedup(seen.costs, access)
    if fetch.batched or samples < t.min_samples or us > t.us_per_sample or not _in_memory(loader, t):
        return None
    if speedup.predicted < t.min_gain:
        return None
    return Found(
        severity="critical",
        confidence=certainty(seen.state, default="high" if loader.dataset_kind in IN_MEMORY else "medium"),
        summary=f"{loader.dataset} is in memory, but is fetched row by row: {milliseconds(us / 1e3)} a sample, mostly Python",
        evidence=(
            seen.loss(),
            Evidence("cost of a sample", round(us, 2), "µs", t.us_per_sample, fetch.n),
            Evidence("collate", round(share_of(loader, "collate"), 4), "share of the fetch", t.collate_share),
            Evidence("read per batch", fetch.rchar_per_batch, "bytes"),
            Evidence("workers", loader.workers, "processes"),
        ),
        advice="Index whole batches: add __getitems__ to the dataset, or slice the tensors in the loop with num_workers=0.",
        where=loader.created_where,
        speedup=speedup,
        edit="DataLoader(dataset, sampler=BatchSampler(RandomSampler(dataset), batch_size, False), batch_size=None)",
    )


def _samples(profile: Profile) -> float | Missing:
    fetch = profile.primary.fetch if profile.primary else None
    return (fetch.samples_per_batch if fetch else None) or Missing("samples per batch")


def _in_memory(loader: LoaderProfile, t: Thresholds) -> bool:
    """Say whether items only index something in memory: the dataset says so, or nothing else is in the fetch."""
    if loader.dataset_kind in IN_MEMORY:
        return True
    if _has_own_collate(loader):
        return False
    fetch = loader.fetch
    per_sample = (fetch.rchar_per_batch or 0.0) / max(fetch.samples_per_batch or 1.0, 1.0) if fetch else 0.0
    plain = share_of(loader, "decode") + share_of(loader, "transform") < t.work_share
    return plain and per_sample < t.read_bytes and share_of(loader, "collate") >= t.collate_share


def _has_own_collate(loader: LoaderProfile) -> bool:
    """Say whether another collate function than torch's makes the batch: its work is not the stacking of rows."""
    collate = str(loader.attributes.get("collate") or "torch.")
    return not collate.startswith("torch.")


def _speedup(costs: Costs, access: float) -> Speedup:
    """Predict the fetch with its part `access` taken by one indexing call."""
    # Start-up is left as it is: that workers are started at all is worker-restart's to say.
    kept = 1.0 - access + access / CHEAPER
    after = replace(costs, workers=0, work_ms=costs.work_ms * kept, work_cpu_ms=costs.work_cpu_ms * kept)
    return throughput.predict(
        costs, after, f"one indexing call per batch, {CHEAPER:.0f} times cheaper, in the trainer", 0.4
    )


RULE = Rule(
    id="per-item-access",
    page=__doc__,
    check=check,
    needs=(
        WORKING_LOOP,
        Need("samples per batch", _samples),
    ),
    thresholds=Thresholds(),
    by_events=True,
    hides=(
        "no-worker-processes",
        "too-few-workers",
        "cpu-saturated",
        "slow-dataset-code",
        "expensive-collate",
        "batch-transport",
        "gc-pause",
    ),
    traits=Traits(about_input=True, windows="waiting", remedies=("batched-fetch", "workers=0")),
)
