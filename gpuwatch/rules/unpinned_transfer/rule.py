"""Host-to-device copies come from pageable memory and block the step.

What it means
    A copy from ordinary memory cannot overlap with compute: the driver stages it through a pinned buffer, and the
    call returns when it is done, whatever non_blocking says.

How it is measured
    The training uses a CUDA device, the loader does not pin its batches, and the bytes of a batch at the rate of
    pageable copies are a noticeable part of the step. In a GPU trace: the time in which the device only copied, or waited
    for a copy from pageable memory.

When it is wrong
    The script may pin by itself, or the batch may never go to the device. For small batches the rule is clear.

What to do
    pin_memory=True in the DataLoader and .to(device, non_blocking=True).
"""

from __future__ import annotations

from gpuwatch.analyze import throughput
from gpuwatch.diagnosis.frameworks import loader_edit
from gpuwatch.diagnosis.gpu_trace import by_trace, share_evidence, speedup
from gpuwatch.diagnosis.needs import DEVICE_EVENTS, MEASURED_LOOP, MeasuredLoop
from gpuwatch.diagnosis.rule import NOT_SO, Found, Missing, Need, NotSo, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Traits
from gpuwatch.model.gpu_time import GpuTime
from gpuwatch.model.measures import Interval
from gpuwatch.model.profile import Profile
from gpuwatch.records import dataclass
from gpuwatch.words.units import milliseconds

# Rate of copies from pageable memory, bytes per ms: 5 GB/s on PCIe 4 hosts; pinned ones reach four times that.
PAGEABLE = 5e6


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    share: Threshold = Threshold(0.05, "share of the step", "A shorter copy costs nothing that can be seen.")


def check(profile: Profile, t: Thresholds, seen: MeasuredLoop, waited: Interval, size: float) -> Found | None:
    """Report unpinned batches whose copy takes 5 % of the step or more."""
    loader, costs = seen
    copy_ms = size / PAGEABLE
    share = copy_ms / costs.step_ms
    if share < t.share:
        return None
    after = throughput.with_step(costs, costs.device_ms - min(copy_ms, 0.8 * costs.device_ms))
    return Found(
        severity="warning",
        confidence="medium",
        summary=f"batches of {size / 1e6:.0f} MB are copied from pageable memory: about {milliseconds(copy_ms)} per step",
        evidence=(
            Evidence("pin_memory", "False", ""),
            Evidence("bytes per batch", size, "bytes", n=loader.fetch.n if loader.fetch else None),
            Evidence("copy at 5 GB/s", round(share, 4), "share of the step", t.share),
        ),
        advice="Pass pin_memory=True to the DataLoader and copy with non_blocking=True.",
        where=loader.created_where,
        speedup=throughput.predict(costs, after, "copies overlapped with compute", 0.6),
        verify="try --remedies pinned-memory",
        edit=loader_edit(loader, {"pin_memory": True}),
    )


def _in_trace(profile: Profile, t: Thresholds, time: GpuTime) -> Found | None:
    """Report a traced device that waits for copies from pageable memory."""
    share = time.share("copy", "pageable_copy")
    count, size = time.counts.pageable_copies, time.counts.pageable_bytes
    if share < t.share or count < max(time.steps, 1) or not time.share("pageable_copy"):
        return None
    place = time.place("pageable_copy")
    return Found(
        severity="warning",
        confidence="high",
        summary=f"{size / 1e6:,.0f} MB are copied from pageable memory in {count} copies; the GPU waits for copies {share:.0%} of its time",
        evidence=(
            share_evidence(time, "pageable_copy", "idle while the host copies from pageable memory"),
            share_evidence(time, "copy", "only copying"),
            Evidence("copying, or waiting for it", round(share, 4), "share", t.share),
        ),
        advice="Pass pin_memory=True to the DataLoader and copy with non_blocking=True.",
        where=place.place if place else None,
        speedup=speedup(time, "pageable_copy", 1.0 / max(1.0 - share, 0.02)),
    )


def _unpinned_bytes(profile: Profile) -> float | Missing | NotSo:
    loader = profile.primary
    if loader is not None and loader.pin_memory:
        return NOT_SO
    size = loader.fetch.bytes_per_batch if loader and loader.fetch else None
    return Missing("bytes per batch") if size is None else size


RULE = Rule(
    id="unpinned-transfer",
    page=__doc__,
    check=check,
    needs=(
        MEASURED_LOOP,
        DEVICE_EVENTS,
        Need("the bytes of a batch that is not pinned", _unpinned_bytes),
    ),
    thresholds=Thresholds(),
    traits=Traits(
        about_input=True,
        bound="transfer",
        lanes=("step", "gpu_wait", "gpu_busy"),
        remedies=("pinned-memory", "non-blocking-copies"),
    ),
    by_trace=by_trace(_in_trace),
)
