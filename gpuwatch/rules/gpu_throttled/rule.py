"""The GPU runs below its clock: heat, power cap or a hardware brake.

What it means
    The driver lowered the clock for a reason of its own. Steps take longer although nothing in the training changed.

How it is measured
    NVML's clocks event reasons in each sample of the loop, and the clock against the highest one.

When it is wrong
    "Power cap" is normal for a GPU that works hard at its limit: it is reported as information unless the clock falls
    by a tenth. Idle is not throttling.

What to do
    Thermal: cooling, airflow, neighbours. Power cap: nvidia-smi -pl, if you may. Power brake: the power supply.
"""

from __future__ import annotations

from gpuwatch.diagnosis.rule import Found, Missing, Need, Rule
from gpuwatch.diagnosis.thresholds import NoThresholds, Threshold
from gpuwatch.model.findings import Evidence, Traits
from gpuwatch.model.machine_profile import DeviceProfile
from gpuwatch.model.profile import Profile
from gpuwatch.records import dataclass

HARMFUL = ("hw slowdown", "sw thermal", "hw thermal", "power brake")
CAPPED = "power cap"


@dataclass(frozen=True)
class Thresholds(NoThresholds):
    """From which values on the rule reports."""

    share: Threshold = Threshold(0.1, "share of the samples", "Short throttling costs no throughput that can be seen.")
    clock_loss: Threshold = Threshold(
        0.1, "share of the clock", "A power cap that costs less clock is how the device is meant to run."
    )
    named_share: Threshold = Threshold(0.01, "share of the samples", "A rarer reason is not worth naming.")


def check(profile: Profile, t: Thresholds, known: tuple[DeviceProfile, ...]) -> Found | None:
    """Report the GPU that was throttled most while the loop ran."""
    worst = max(known, key=lambda d: (harm(d), d.throttle.get(CAPPED, 0.0)))
    share, capped, loss = harm(worst), worst.throttle.get(CAPPED, 0.0), clock_loss(worst)
    if share < t.share and (capped < t.share or loss < t.clock_loss):
        return None
    reasons = {name: value for name, value in worst.throttle.items() if value >= t.named_share}
    named = ", ".join(f"{name} {value:.0%}" for name, value in sorted(reasons.items(), key=lambda x: -x[1]))
    return Found(
        severity="warning" if share >= t.share else "info",
        confidence="high",
        summary=f"GPU {worst.index} was throttled: {named}",
        evidence=(
            *(Evidence(name, round(value, 4), "share of the samples", t.share) for name, value in reasons.items()),
            Evidence("SM clock", worst.sm_mhz, "MHz"),
            Evidence("highest SM clock", worst.sm_mhz_max, "MHz"),
            Evidence("temperature", worst.temperature_c, "°C"),
            Evidence("power", worst.power_w, "W", worst.power_limit_w),
        ),
        advice="Look at cooling first (temperature above), then at the power limit (nvidia-smi -q -d POWER,PERFORMANCE).",
    )


def _known(profile: Profile) -> tuple[DeviceProfile, ...] | Missing:
    known = tuple(d for d in profile.devices if d.throttle or "throttle" not in d.unsupported)
    return known or Missing("NVML's clocks event reasons")


def harm(device: DeviceProfile) -> float:
    """Return the share of samples throttled for heat or by the hardware."""
    return max((device.throttle.get(name, 0.0) for name in HARMFUL), default=0.0)


def clock_loss(device: DeviceProfile) -> float:
    """Return how far the clock was below the highest one, as a share."""
    if not device.sm_mhz or not device.sm_mhz_max:
        return 0.0
    return 1.0 - device.sm_mhz / device.sm_mhz_max


RULE = Rule(
    id="gpu-throttled",
    page=__doc__,
    check=check,
    needs=(Need("NVML's clocks event reasons", _known),),
    thresholds=Thresholds(),
    traits=Traits(lanes=("throttling", "power", "temperature")),
)
