"""Another process uses the same GPU.

What it means
    The device's time and memory are shared with a process that is not part of this run: a forgotten notebook, another
    user, a display. Its kernels run between yours, and NVML's busy share counts both.

How it is measured
    NVML's list of compute processes on the run's devices, without the run's own process tree.

When it is wrong
    In a container NVML may report host pids that cannot be matched; then only foreign memory is reported, with low
    confidence. Under MPS, sharing is intended.

What to do
    Stop the other process, or pick another device with CUDA_VISIBLE_DEVICES.
"""

from __future__ import annotations

from gpuwatch.diagnosis.rule import Found, Missing, Need, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Traits
from gpuwatch.model.machine_profile import DeviceProfile
from gpuwatch.model.profile import Profile
from gpuwatch.records import dataclass
from gpuwatch.words.units import count


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    memory_share: Threshold = Threshold(
        0.02, "share of the memory", "The driver and the display hold a little on every device."
    )


def check(profile: Profile, t: Thresholds, devices: tuple[DeviceProfile, ...]) -> Found | None:
    """Report a device of the run on which foreign processes hold memory."""
    ours = [device for device in devices if device.ranks] or list(devices)
    shared = [d for d in ours if d.other_pids or _foreign_share(d) > t.memory_share]
    if not shared:
        return None
    worst = max(shared, key=lambda d: d.foreign_memory_bytes or 0)
    pids = ", ".join(str(pid) for pid in worst.other_pids[:5])
    known = f"{count(len(worst.other_pids), 'other process', 'other processes')} (pid {pids})"
    others = known if pids else "other processes, unknown here"
    return Found(
        severity="warning",
        confidence="high" if worst.other_pids and worst.ranks else "low",
        summary=f"GPU {worst.index} is shared with {others}",
        evidence=(
            Evidence("other processes", len(worst.other_pids), "processes", 0),
            Evidence("their memory", worst.foreign_memory_bytes, "bytes"),
        ),
        advice="Stop the other process, or choose another GPU with CUDA_VISIBLE_DEVICES.",
    )


def _devices(profile: Profile) -> tuple[DeviceProfile, ...] | Missing:
    return profile.devices or Missing("NVML's processes")


def _foreign_share(device: DeviceProfile) -> float:
    return (device.foreign_memory_bytes or 0) / (device.memory_total_bytes or 1e18)


RULE = Rule(
    id="gpu-shared",
    page=__doc__,
    check=check,
    needs=(Need("NVML's processes", _devices),),
    thresholds=Thresholds(),
    traits=Traits(lanes=("gpu_busy", "gpu_memory", "memory_used", "shared_memory")),
)
