"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_machine
from gpuwatch.diagnosis.examples.runs import BLOCKED, HIDDEN, STARVED, no_loader, run_of

CASES = (
    fires(
        run_of(cores=2.0, machine=make_machine(usable_cores=2.0, spare_cores=0.1, cores=2)),
        "warning",
        "all 2 cores are used up: more workers cannot help; this device needs about 3.1",
        speedup=1.478,
    ),
    clear(STARVED),
    clear(HIDDEN),
    clear(run_of(fetch=BLOCKED)),
    unknown(no_loader(), "no DataLoader was seen in use"),
    unknown(run_of(machine=make_machine(spare_cores=None)), "CPU samples of the machine"),
)
