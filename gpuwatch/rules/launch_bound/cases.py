"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_device
from gpuwatch.diagnosis.examples.runs import HIDDEN, UNMEASURED, no_loader, run_of, traced_by
from gpuwatch.diagnosis.gpu_trace import NOT_MEASURABLE
from gpuwatch.model.gpu_time import GpuGain

CASES = (
    fires(
        run_of(8.0, devices=(make_device(),), loader={"compute_cpu_share": 0.97}),
        "warning",
        "the GPU is busy only 41% of the step while the training thread never idles",
        confidence="medium",
        speedup=2.372,
    ),
    clear(run_of(8.0, devices=(make_device(busy=0.95),), loader={"compute_cpu_share": 0.97})),
    clear(run_of(30.0, devices=(make_device(),), loader={"compute_cpu_share": 0.97})),
    fires(
        traced_by({"launch": 0.5}, GpuGain("launch", 1.333, 1.0, 2.0)),
        "warning",
        "the GPU is idle for 50% of its time while the host launches 5,000 kernels of 8 µs in the median",
        speedup=1.333,
    ),
    clear(traced_by({"launch": 0.05})),
    clear(traced_by({"input": 0.5})),
    unknown(UNMEASURED, NOT_MEASURABLE),
    unknown(HIDDEN, "NVML's busy share of the run's devices"),
    unknown(no_loader(), "NVML's busy share of the run's devices"),
)

# Why no training in tests/scenarios has this cause.
NO_SCENARIO = "it needs a GPU"
