"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_machine
from gpuwatch.diagnosis.examples.runs import HIDDEN, STARVED, run_of

CASES = (
    fires(
        run_of(machine=make_machine(quota_cores=2.0, usable_cores=2.0, throttled_share=0.3)),
        "critical",
        "the CPU quota of 2 cores throttled this run in 30% of the periods",
        speedup=1.09,
    ),
    clear(STARVED),
    clear(run_of(machine=make_machine(quota_cores=2.0, usable_cores=2.0, throttled_share=0.0))),
    clear(HIDDEN),
    unknown(run_of(machine=make_machine(quota_cores=2.0, throttled_share=None)), "the cgroup's throttling counters"),
)

# Why no training in tests/scenarios has this cause.
NO_SCENARIO = "it needs a container with a CPU quota"
