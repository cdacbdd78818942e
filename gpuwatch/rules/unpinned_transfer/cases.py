"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import interval, make_device
from gpuwatch.diagnosis.examples.runs import STARVED, UNMEASURED, no_loader, run_of, traced_by
from gpuwatch.diagnosis.gpu_trace import NOT_MEASURABLE
from gpuwatch.model.gpu_time import Counts, GpuGain

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
    fires(
        traced_by(
            {"pageable_copy": 0.3, "copy": 0.1},
            GpuGain("pageable_copy", 2.0, 2.0, 2.0),
            counts=Counts(activities=5000, pageable_copies=10, pageable_bytes=2_000_000_000),
        ),
        "warning",
        "2,000 MB are copied from pageable memory in 10 copies; the GPU waits for copies 40% of its time",
        speedup=1.667,
    ),
    clear(traced_by({"pageable_copy": 0.01, "copy": 0.02}, counts=Counts(activities=5000, pageable_copies=10))),
    clear(traced_by({"pageable_copy": 0.3}, counts=Counts(activities=5000, pageable_copies=1))),
    unknown(UNMEASURED, NOT_MEASURABLE),
)

# Why no training in tests/scenarios has this cause.
NO_SCENARIO = "it needs a GPU"
