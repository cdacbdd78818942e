"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.runs import no_loader, phases, run_of

CASES = (
    fires(
        run_of(8.0, ranks=phases(startup=3.0, input_wait=1.0, forward=3.0, evaluation=6.0)),
        "critical",
        "evaluation takes 60% of the loop (6.0 s)",
        speedup=1.328,
    ),
    clear(run_of(8.0, ranks=phases(startup=3.0, input_wait=1.0, forward=9.0, evaluation=1.0))),
    unknown(no_loader(), "a training loop"),
    unknown(run_of(loader={"role": "inference"}), "a training loop"),
)
