"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_device
from gpuwatch.diagnosis.examples.runs import STARVED, run_of

CASES = (
    fires(
        run_of(8.0, devices=(make_device(busy=0.97, sm_active=0.1),)),
        "warning",
        "GPU 0 is busy 97% of the time, but only 10% of its SMs have work",
        confidence="medium",
    ),
    clear(run_of(8.0, devices=(make_device(busy=0.97, sm_active=0.8),))),
    clear(run_of(devices=(make_device(busy=0.97, sm_active=0.1),))),
    unknown(STARVED, "the GPM metric SM active (Hopper or later)"),
    unknown(run_of(devices=(make_device(sm_active=None),)), "the GPM metric SM active (Hopper or later)"),
)

# Why no training in tests/scenarios has this cause.
NO_SCENARIO = "it needs a GPU"
