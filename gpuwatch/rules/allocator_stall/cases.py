"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.runs import UNMEASURED, no_loader, traced_by
from gpuwatch.diagnosis.gpu_trace import NOT_MEASURABLE
from gpuwatch.model.gpu_time import Counts, GpuGain, GpuPlace
from gpuwatch.model.measures import Place

FREED = GpuGain("allocator", 4.2, 4.2, 4.2)
WHERE = GpuPlace("allocator", Place("train.py", 41, "main"), "backward", 1.0)
EACH_STEP = Counts(activities=5000, allocations=800, allocating_steps=4)
CASES = (
    fires(
        traced_by({"allocator": 0.8}, FREED, counts=EACH_STEP, places=(WHERE,)),
        "critical",
        "device memory is allocated and freed 800 times in the steps; the GPU idles 80% of its time meanwhile",
        where="train.py:41",
        speedup=4.2,
    ),
    fires(
        traced_by({"allocator": 0.2}, steps=1, in_largest_step=None, counts=EACH_STEP),
        "warning",
        "device memory is allocated and freed 800 times in the steps; the GPU idles 20% of its time meanwhile",
        confidence="medium",
    ),
    # The first step fills the cache; so does a single one.
    clear(traced_by({"allocator": 0.4}, counts=Counts(activities=5000, allocations=43, allocating_steps=1))),
    clear(traced_by({"allocator": 0.4}, steps=1, in_largest_step=None, counts=Counts(5000, allocations=20))),
    # Another single step has most of it.
    clear(traced_by({"allocator": 0.4}, counts=EACH_STEP, in_largest_step={"allocator": 0.9})),
    clear(traced_by({"allocator": 0.01}, counts=EACH_STEP)),
    unknown(UNMEASURED, NOT_MEASURABLE),
    unknown(no_loader(), "a GPU trace (`gpuwatch report TRACE`)"),
)

# Why no training in tests/scenarios has this cause. Delete it when one has.
NO_SCENARIO = "it needs a GPU"
