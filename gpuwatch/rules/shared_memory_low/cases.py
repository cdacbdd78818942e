"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_machine
from gpuwatch.diagnosis.examples.runs import LONE, STARVED, run_of

CASES = (
    fires(
        run_of(machine=make_machine(shm_total_bytes=64 << 20, shm_peak_bytes=60 << 20)),
        "warning",
        "/dev/shm has 67 MB; batches in flight may need 16 MB",
    ),
    fires(
        run_of(machine=make_machine(shm_total_bytes=16_000_000)),
        "warning",
        "/dev/shm has 16 MB; batches in flight may need 16 MB",
    ),
    clear(STARVED),
    clear(LONE),
    unknown(run_of(machine=make_machine(shm_total_bytes=None)), "the size of /dev/shm"),
)

# Why no training in tests/scenarios has this cause.
NO_SCENARIO = "it needs a container with a small /dev/shm"
