"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_device
from gpuwatch.diagnosis.examples.runs import STARVED, run_of

CASES = (
    fires(
        run_of(devices=(make_device(other_pids=(999,), foreign_memory_bytes=9 << 30),)),
        "warning",
        "GPU 0 is shared with 1 other process (pid 999)",
    ),
    clear(run_of(devices=(make_device(),))),
    unknown(STARVED, "NVML's processes"),
)

# Why no training in tests/scenarios has this cause.
NO_SCENARIO = "it needs a GPU"
