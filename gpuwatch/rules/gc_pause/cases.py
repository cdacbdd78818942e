"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_rank
from gpuwatch.diagnosis.examples.runs import FEW_STEPS, HIDDEN, STARVED, no_loader, run_of

CASES = (
    fires(
        run_of(8.0, ranks=(make_rank(gc_seconds=3.0, gc_collections=40),)),
        "warning",
        "Python's garbage collector takes 18% of the training loop",
        speedup=1.217,
    ),
    fires(
        run_of(fetch={"gc_ms": 10.0}),
        "critical",
        "Python's garbage collector takes 33% of the workers' fetches",
        where="/home/me/project/data.py:12",
        speedup=1.492,
    ),
    clear(STARVED),
    clear(HIDDEN),
    unknown(no_loader(), "a measured loop over a DataLoader"),
    unknown(FEW_STEPS, "a measured loop over a DataLoader"),
)
