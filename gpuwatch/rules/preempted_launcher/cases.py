"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_device, make_rank
from gpuwatch.diagnosis.examples.runs import no_loader, run_of

LATE = (make_rank(run_queue_delay_share=0.3),)
CASES = (
    fires(
        run_of(8.0, ranks=LATE, devices=(make_device(),)),
        "critical",
        "the training thread waits for a core 30% of the loop, while the GPU is busy only 41%",
        confidence="medium",
        where="/home/me/project/train.py:40",
        speedup=1.417,
    ),
    fires(
        run_of(8.0, ranks=(make_rank(run_queue_delay_share=0.15),), devices=(make_device(),)),
        "warning",
        "the training thread waits for a core 15% of the loop, while the GPU is busy only 41%",
        confidence="medium",
        where="/home/me/project/train.py:40",
        speedup=1.172,
    ),
    # Late launches are hidden behind a full queue.
    clear(run_of(8.0, ranks=LATE, devices=(make_device(busy=0.97),))),
    clear(run_of(8.0, ranks=(make_rank(run_queue_delay_share=0.02),), devices=(make_device(),))),
    # It waits for data.
    clear(run_of(30.0, ranks=LATE, devices=(make_device(),))),
    unknown(no_loader(), "a measured loop over a DataLoader"),
    unknown(run_of(8.0, ranks=LATE), "NVML's busy share of the run's devices"),
    unknown(run_of(8.0, devices=(make_device(),)), "the run-queue delay of the training thread"),
)

# Why no training in tests/scenarios has this cause. Delete it when one has.
NO_SCENARIO = "it needs a GPU"
