"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_device
from gpuwatch.diagnosis.examples.runs import STARVED, run_of

CASES = (
    fires(
        run_of(devices=(make_device(throttle={"hw thermal": 0.6}),)), "warning", "GPU 0 was throttled: hw thermal 60%"
    ),
    fires(
        run_of(devices=(make_device(throttle={"power cap": 0.9}, sm_mhz=1500.0),)),
        "info",
        "GPU 0 was throttled: power cap 90%",
    ),
    clear(run_of(devices=(make_device(throttle={"idle": 0.5}),))),
    clear(run_of(devices=(make_device(throttle={"power cap": 0.9}),))),
    unknown(STARVED, "NVML's clocks event reasons"),
    unknown(run_of(devices=(make_device(unsupported=("throttle",)),)), "NVML's clocks event reasons"),
)

# Why no training in tests/scenarios has this cause.
NO_SCENARIO = "it needs a GPU"
