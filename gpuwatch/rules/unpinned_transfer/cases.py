"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import interval, make_device
from gpuwatch.diagnosis.examples.runs import STARVED, no_loader, run_of

CASES = (
    fires(
        run_of(devices=(make_device(),), loader={"gpu_wait_ms": interval(1.0)}, fetch={"bytes_per_batch": 4e7}),
        "warning",
        "batches of 40 MB are copied from pageable memory: about 8 ms per step",
        confidence="medium",
        where="/home/me/project/train.py:40",
        speedup=1.0,
    ),
    clear(run_of(devices=(make_device(),), loader={"gpu_wait_ms": interval(1.0), "pin_memory": True})),
    clear(run_of(devices=(make_device(),), loader={"gpu_wait_ms": interval(1.0)}, fetch={"bytes_per_batch": 1e5})),
    unknown(STARVED, "CUDA events of the training process"),
    unknown(no_loader(), "a measured loop over a DataLoader"),
)

# Why no training in tests/scenarios has this cause.
NO_SCENARIO = "it needs a GPU"
