"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_device
from gpuwatch.diagnosis.examples.runs import HIDDEN, no_loader, run_of

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
    unknown(HIDDEN, "NVML's busy share of the run's devices"),
    unknown(no_loader(), "NVML's busy share of the run's devices"),
)

# Why no training in tests/scenarios has this cause.
NO_SCENARIO = "it needs a GPU"
