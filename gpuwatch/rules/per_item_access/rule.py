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
from gpuwatch.diagnosis.evidence import Starved, certainty, share_of, wait_evidence, working_loop
from gpuwatch.model.findings import Clear, Evidence, Finding, NotEvaluated, Speedup
from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.profile import Costs, Profile

ID = "per-item-access"
US_PER_SAMPLE = 150.0
COLLATE_SHARE = 0.1
MIN_GAIN = 1.1
IN_MEMORY = ("tensor", "memory", "array")
# One indexing call per tensor instead of one per row and a stack: 90 times measured for rows of 2 x float32.
CHEAPER = 10.0


def check(profile: Profile) -> Finding | Clear | NotEvaluated:
    """Report a starved loop over data in memory that is taken row by row."""
    seen = working_loop(profile, ID)
    if not isinstance(seen, Starved):
        return seen
    loader, fetch = seen.loader, seen.fetch
    if not fetch.samples_per_batch:
        return NotEvaluated(ID, "samples per batch")
    us = 1e3 * fetch.wall_ms.median / fetch.samples_per_batch
    speedup = _speedup(seen.costs)
    if fetch.batched or fetch.samples_per_batch < 4 or us > US_PER_SAMPLE or not in_memory(loader):
        return Clear(ID)
    if speedup.predicted < MIN_GAIN:
        return Clear(ID)
    return Finding(
        id=ID,
        severity="critical",
        confidence=certainty(seen.state, default="high" if loader.dataset_kind in IN_MEMORY else "medium"),
        summary=f"{loader.dataset} is in memory, but is fetched row by row: {us:.3g} µs a sample, mostly Python",
        evidence=(
            wait_evidence(loader),
            Evidence("cost of a sample", round(us, 2), "µs", US_PER_SAMPLE, fetch.n),
            Evidence("collate", round(share_of(loader, "collate"), 4), "share of the fetch", COLLATE_SHARE),
            Evidence("read per batch", fetch.rchar_per_batch, "bytes"),
            Evidence("workers", loader.workers, "processes"),
        ),
        advice="Index whole batches: add __getitems__ to the dataset, or slice the tensors in the loop with num_workers=0.",
        where=loader.created_where,
        speedup=speedup,
        edit="DataLoader(dataset, sampler=BatchSampler(RandomSampler(dataset), batch_size, False), batch_size=None)",
        explains=(
            "no-worker-processes",
            "too-few-workers",
            "cpu-saturated",
            "slow-dataset-code",
            "expensive-collate",
            "batch-transport",
            "gc-pause",
        ),
    )


def in_memory(loader: LoaderProfile) -> bool:
    """Say whether items only index something in memory: the dataset says so, or nothing else is in the fetch."""
    if loader.dataset_kind in IN_MEMORY:
        return True
    fetch = loader.fetch
    per_sample = (fetch.rchar_per_batch or 0.0) / max(fetch.samples_per_batch or 1.0, 1.0) if fetch else 0.0
    plain = share_of(loader, "decode") + share_of(loader, "transform") < 0.1
    return plain and per_sample < 64 and share_of(loader, "collate") >= COLLATE_SHARE


def _speedup(costs: Costs) -> Speedup:
    # Start-up is left as it is: that workers are started at all is worker-restart's to say.
    after = replace(costs, workers=0, work_ms=costs.work_ms / CHEAPER, work_cpu_ms=costs.work_cpu_ms / CHEAPER)
    return throughput.predict(
        costs, after, f"one indexing call per batch, {CHEAPER:.0f} times cheaper, in the trainer", 0.4
    )
