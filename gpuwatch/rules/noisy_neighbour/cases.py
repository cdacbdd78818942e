"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_device, make_machine, make_rank
from gpuwatch.diagnosis.examples.runs import contended, no_loader, run_of

TAKEN = make_machine(
    cores=2, usable_cores=2.0, affinity_cores=2, spare_cores=0.05, busy_cores=1.95, run_cores=1.0, other_cores=0.95
)
IN_QUEUE = (make_rank(device="cpu", run_queue_delay_share=0.3),)
WORKERS_IN_QUEUE = make_machine(
    cores=4, usable_cores=4.0, affinity_cores=4, spare_cores=0.1, busy_cores=3.9, run_cores=2.1, other_cores=1.8,
    worker_delay_share=0.4,
)  # fmt: skip
LEAVES_CORES = make_machine(cores=8, usable_cores=8.0, spare_cores=3.0, busy_cores=5.0, run_cores=2.0, other_cores=3.0)
CASES = (
    # A training on the CPU whose batches are there in time.
    fires(
        run_of(8.0, 50.0, machine=TAKEN, ranks=IN_QUEUE, loader={"compute_cpu_share": 0.7}),
        "warning",
        "other programs use 0.95 of 2 cores, while the training thread of this run waits for a core 30% of the time",
        confidence="medium",
        speedup=1.344,
    ),
    # Workers that make batches too slowly, because half of the cores are somebody else's.
    fires(
        run_of(30.0, 5.0, 4, machine=WORKERS_IN_QUEUE),
        "warning",
        "other programs use 1.8 of 4 cores, while workers of this run wait for a core 40% of the time",
        confidence="medium",
        speedup=1.433,
    ),
    # The run's own workers hold the cores, others leave some idle, or nobody waits for one.
    clear(contended()),
    clear(run_of(30.0, machine=LEAVES_CORES, ranks=IN_QUEUE)),
    clear(run_of(8.0, 50.0, machine=TAKEN, ranks=(make_rank(device="cpu", run_queue_delay_share=0.03),))),
    # A full queue on the device hides it.
    clear(run_of(8.0, 50.0, machine=TAKEN, ranks=IN_QUEUE, devices=(make_device(busy=0.97),))),
    unknown(no_loader(), "a measured loop over a DataLoader"),
    unknown(run_of(machine=make_machine(spare_cores=None)), "CPU samples of the machine"),
    unknown(run_of(machine=make_machine(other_cores=None)), "the cores that other programs use"),
)

# Why no training in tests/scenarios has this cause. Delete it when one has.
NO_SCENARIO = "its cause is outside of the run"
