"""GPU memory is nearly full.

What it means
    A slightly larger batch, a longer sequence or a second process will end the run with an out-of-memory error; the
    allocator may already be freeing and re-allocating, which synchronises the device.

How it is measured
    NVML's used memory at its peak against the device's total.

When it is wrong
    torch keeps freed blocks in its cache: NVML cannot tell cached from needed (torch.cuda.memory_allocated can).

What to do
    PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True against fragmentation; else a smaller batch with accumulation,
    activation checkpointing, or lower precision.
"""

from __future__ import annotations

from gpuwatch.diagnosis.needs import MEMORY_SAMPLES
from gpuwatch.diagnosis.rule import Found, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Traits
from gpuwatch.model.machine_profile import DeviceProfile
from gpuwatch.model.profile import Profile
from gpuwatch.records import dataclass


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    share: Threshold = Threshold(
        0.95, "share of the memory", "What is left is fragmentation away from an out-of-memory error."
    )


def check(profile: Profile, t: Thresholds, known: tuple[DeviceProfile, ...]) -> Found | None:
    """Report the device whose memory came closest to its limit."""
    worst = max(known, key=share)
    if share(worst) < t.share:
        return None
    return Found(
        severity="info",
        confidence="high",
        summary=f"GPU {worst.index} used {share(worst):.0%} of its memory",
        evidence=(
            Evidence("peak memory", round(share(worst), 4), "share", t.share),
            Evidence("peak memory", worst.memory_peak_bytes, "bytes", worst.memory_total_bytes),
        ),
        advice="Leave some room: a smaller batch, activation checkpointing, or expandable_segments against fragmentation.",
    )


def share(device: DeviceProfile) -> float:
    """Return the peak use of a device's memory."""
    return (device.memory_peak_bytes or 0) / (device.memory_total_bytes or 1)


RULE = Rule(
    id="gpu-memory-near-limit",
    page=__doc__,
    check=check,
    needs=(MEMORY_SAMPLES,),
    thresholds=Thresholds(),
    traits=Traits(lanes=("gpu_memory", "memory_used", "shared_memory")),
)
