"""The GPU is "busy" while most of the chip idles.

What it means
    NVML's busy share counts time with at least one kernel running, however small. SM activity counts how much of the
    chip had work. Busy 95 % with SM active 20 % means kernels too small for this device.

How it is measured
    NVML's utilization against the GPM metric SM active (Hopper and later), while the loop ran and was not waiting for
    data.

When it is wrong
    Memory-bound kernels on few SMs can be right; look at DRAM active beside it.

What to do
    A larger batch, torch.compile or fused kernels, CUDA graphs, channels-last and mixed precision.
"""

from __future__ import annotations

from gpuwatch.diagnosis.evidence import starved
from gpuwatch.model.findings import Clear, Evidence, Finding, NotEvaluated
from gpuwatch.model.profile import Profile

ID = "low-sm-activity"
BUSY = 0.7
SM_ACTIVE = 0.35


def check(profile: Profile) -> Finding | Clear | NotEvaluated:
    """Report a device of the run that is busy on a small part of its SMs."""
    known = [d for d in profile.devices if d.sm_active is not None and d.busy is not None]
    if not known:
        return NotEvaluated(ID, "the GPM metric SM active (Hopper or later)")
    if starved(profile) == "yes":
        return Clear(ID)
    worst = min(known, key=lambda d: (d.sm_active or 0.0) - (d.busy or 0.0))
    busy, active = worst.busy or 0.0, worst.sm_active or 0.0
    if busy < BUSY or active > SM_ACTIVE:
        return Clear(ID)
    return Finding(
        id=ID,
        severity="warning" if active < SM_ACTIVE / 2 else "info",
        confidence="medium",
        summary=f"GPU {worst.index} is busy {busy:.0%} of the time, but only {active:.0%} of its SMs have work",
        evidence=(
            Evidence("busy", round(busy, 4), "share", BUSY),
            Evidence("SM active", round(active, 4), "share", SM_ACTIVE),
            Evidence("occupancy", worst.occupancy, "share"),
            Evidence("tensor cores active", worst.tensor_active, "share"),
            Evidence("DRAM active", worst.dram_active, "share"),
        ),
        advice="Give the chip larger pieces of work: a larger batch, torch.compile, fused optimizers, CUDA graphs.",
    )
