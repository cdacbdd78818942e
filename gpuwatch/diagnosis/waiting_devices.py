"""GPUs that are "busy" while their rank waits: a kernel of the exchange runs on them and does nothing but wait.

Busy says that some kernel was running. Power and SM activity say whether it worked.
"""

from __future__ import annotations

from gpuwatch.diagnosis.thresholds import Threshold
from gpuwatch.model.findings import Evidence
from gpuwatch.model.machine_profile import DeviceProfile
from gpuwatch.model.profile import Profile
from gpuwatch.words.units import percent

BUSY = Threshold(0.7, "share of the time", "A kernel that waits runs nearly all the time.", "waiting_busy")
POWER = Threshold(0.5, "share of the limit", "A chip that works takes more of its power.", "waiting_power")
SM_ACTIVE = Threshold(0.2, "share of the SMs", "Kernels that wait take a few SMs.", "waiting_sm_active")


def waiting_devices(profile: Profile, culprit: int | None = None) -> tuple[Evidence, ...]:
    """Return as evidence the GPUs that are busy with waiting; none of the rank that the others wait for."""
    return tuple(_evidence(one) for one in profile.devices if culprit not in one.ranks and _only_waits(one))


def _only_waits(device: DeviceProfile) -> bool:
    if device.busy is None or device.busy < BUSY:
        return False
    if device.sm_active is not None:
        return device.sm_active <= SM_ACTIVE
    power = _power_share(device)
    return power is not None and power <= POWER


def _power_share(device: DeviceProfile) -> float | None:
    return device.power_w / device.power_limit_w if device.power_w is not None and device.power_limit_w else None


def _evidence(device: DeviceProfile) -> Evidence:
    power = _power_share(device)
    told = [f"{percent(power)} of its power limit"] if power is not None else []
    told += [f"{percent(device.sm_active)} of its SMs active"] if device.sm_active is not None else []
    of = f" of {device.host}" if device.host else ""
    return Evidence(
        f"GPU {device.index}{of} busy, yet waiting",
        round(device.busy or 0.0, 4),
        "share of the time",
        note=", ".join(told),
    )
