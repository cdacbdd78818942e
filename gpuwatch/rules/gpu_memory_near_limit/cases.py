"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_device
from gpuwatch.diagnosis.examples.runs import STARVED, run_of

CASES = (
    fires(run_of(devices=(make_device(memory_peak_bytes=79 << 30),)), "info", "GPU 0 used 99% of its memory"),
    clear(run_of(devices=(make_device(),))),
    unknown(STARVED, "NVML's memory samples"),
    unknown(run_of(devices=(make_device(memory_peak_bytes=None),)), "NVML's memory samples"),
)

# Why no training in tests/scenarios has this cause.
NO_SCENARIO = "it needs a GPU"
