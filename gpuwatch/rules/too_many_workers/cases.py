"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.runs import FEW_STEPS, STARVED, no_loader, run_of

CASES = (
    fires(
        run_of(5.0, 10.0, 8, loader={"first_batch_s": (2.0, 2.0), "startup_s": (1.5, 1.5), "batches": 900}),
        "warning",
        "8 workers are busy 6% of the time; 2 would be enough",
        confidence="medium",
        where="/home/me/project/train.py:40",
        speedup=1.274,
    ),
    clear(STARVED),
    clear(run_of(5.0, 10.0, 8)),
    clear(run_of(5.0, 10.0, 1)),
    unknown(no_loader(), "a measured loop over a DataLoader"),
    unknown(FEW_STEPS, "a measured loop over a DataLoader"),
)
