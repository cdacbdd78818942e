"""Device memory is allocated and freed in the steps; the device idles meanwhile.

What it means
    torch keeps the memory that tensors give back and hands it out again, without a call of the driver. Where it cannot, it
    calls cudaFree and cudaMalloc (hipFree, hipMalloc): freeing waits until the device is done, and nothing is launched.

How it is measured
    In a GPU trace: the device's gaps in which the launching thread was inside a call that allocates or frees memory, in
    several steps after the first one, which allocates by nature.

When it is wrong
    A trace of the first steps alone shows the filling of the cache, and libraries that choose their algorithms by trying.

What to do
    Look for torch.cuda.empty_cache() in the loop, for PYTORCH_NO_CUDA_MEMORY_CACHING, and for batches of ever new sizes near
    the limit of the memory: expandable_segments:True, one length for all batches, or a smaller batch.
"""

from __future__ import annotations

from gpuwatch.diagnosis.gpu_trace import TRACED, by_trace, recurs, share_evidence, speedup
from gpuwatch.diagnosis.rule import Found, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Traits
from gpuwatch.model.gpu_time import GpuTime
from gpuwatch.model.profile import Profile
from gpuwatch.records import dataclass


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    share: Threshold = Threshold(0.05, "share of the GPU's time", "Now and then an allocation is needed.")
    critical_share: Threshold = Threshold(0.3, "share of the GPU's time", "A third of the time.")
    steps: Threshold = Threshold(2, "steps after the first", "What one step does may be the filling of the cache.")
    calls: Threshold = Threshold(50, "calls", "Of a trace without steps: filling the cache takes fewer.")


def check(profile: Profile, t: Thresholds, time: GpuTime) -> Found | None:
    """Report a device that waits for its memory to be allocated and freed, step after step."""
    share, counts = time.share("allocator"), time.counts
    if share < t.share:
        return None
    if time.steps > 1 and (counts.allocating_steps < t.steps or not recurs(time, "allocator")):
        return None
    if time.steps <= 1 and counts.allocations < t.calls:
        return None
    place = time.place("allocator")
    return Found(
        severity="critical" if share >= t.critical_share else "warning",
        confidence="high" if time.steps > 1 else "medium",
        summary=f"device memory is allocated and freed {counts.allocations:,} times in the steps; the GPU idles {share:.0%} of its time meanwhile",
        evidence=(
            share_evidence(time, "allocator", "idle while memory was allocated or freed", t.share),
            Evidence("calls that allocate or free", counts.allocations, "count"),
            Evidence("steps after the first with such calls", counts.allocating_steps, "count", t.steps),
        ),
        advice="Remove torch.cuda.empty_cache() from the loop and PYTORCH_NO_CUDA_MEMORY_CACHING (PYTORCH_NO_HIP_MEMORY_CACHING)"
        " from the environment; near the limit of the memory set PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True, and give"
        " batches one size.",
        where=place.place if place else None,
        speedup=speedup(time, "allocator"),
    )


RULE = Rule(
    id="allocator-stall",
    page=__doc__,
    check=check,
    needs=(TRACED,),
    thresholds=Thresholds(),
    traits=Traits(bound="host", lanes=("step", "gpu_wait", "gpu_busy")),
    by_trace=by_trace(check),
)
