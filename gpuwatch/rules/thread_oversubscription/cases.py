"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_machine
from gpuwatch.diagnosis.examples.runs import HIDDEN, STARVED, run_of

CASES = (
    fires(
        run_of(machine=make_machine(usable_cores=4.0, library_threads=8), fetch={"process_cpu_ms": 90.0}),
        "critical",
        "2 workers with about 8 library threads each, on 4 cores",
        confidence="medium",
        speedup=1.281,
    ),
    # A worker alone may use all cores, and no more threads than there are.
    clear(run_of(workers=1, machine=make_machine(usable_cores=4.0, library_threads=4), fetch={"process_cpu_ms": 90.0})),
    # The other thread at work is the queue's, which sends what was made before.
    clear(
        run_of(
            machine=make_machine(usable_cores=4.0, library_threads=8),
            fetch={"process_cpu_ms": 58.0, "serialise_ms": 40.0},
        )
    ),
    clear(STARVED),
    clear(HIDDEN),
    clear(run_of(machine=make_machine(library_threads=8, usable_cores=4.0))),
    unknown(run_of(fetch={"process_cpu_ms": None}), "CPU time of the workers' threads"),
)
