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
from gpuwatch.diagnosis.rule import Found, Missing, Need, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Traits
from gpuwatch.model.machine_profile import DeviceProfile
from gpuwatch.model.profile import Profile
from gpuwatch.records import dataclass


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    busy: Threshold = Threshold(0.7, "share of the time", "A device that idles more has another bottleneck first.")
    sm_active: Threshold = Threshold(
        0.35, "share of the SMs", "Two thirds of the chip without work is what a larger batch fills."
    )
    warning_sm_active: Threshold = Threshold(0.175, "share of the SMs", "Half of that is worth a warning.")


def check(profile: Profile, t: Thresholds, known: tuple[DeviceProfile, ...]) -> Found | None:
    """Report a device of the run that is busy on a small part of its SMs."""
    if starved(profile) == "yes":
        return None
    worst = min(known, key=lambda d: (d.sm_active or 0.0) - (d.busy or 0.0))
    busy, active = worst.busy or 0.0, worst.sm_active or 0.0
    if busy < t.busy or active > t.sm_active:
        return None
    return Found(
        severity="warning" if active < t.warning_sm_active else "info",
        confidence="medium",
        summary=f"GPU {worst.index} is busy {busy:.0%} of the time, but only {active:.0%} of its SMs have work",
        evidence=(
            Evidence("busy", round(busy, 4), "share", t.busy),
            Evidence("SM active", round(active, 4), "share", t.sm_active),
            Evidence("occupancy", worst.occupancy, "share"),
            Evidence("tensor cores active", worst.tensor_active, "share"),
            Evidence("DRAM active", worst.dram_active, "share"),
        ),
        advice="Give the chip larger pieces of work: a larger batch, torch.compile, fused optimizers, CUDA graphs.",
    )


def _known(profile: Profile) -> tuple[DeviceProfile, ...] | Missing:
    known = tuple(d for d in profile.devices if d.sm_active is not None and d.busy is not None)
    return known or Missing("the GPM metric SM active (Hopper or later)")


RULE = Rule(
    id="low-sm-activity",
    page=__doc__,
    check=check,
    needs=(Need("the GPM metric SM active", _known),),
    thresholds=Thresholds(),
    traits=Traits(lanes=("sm_active", "gpu_busy")),
)
