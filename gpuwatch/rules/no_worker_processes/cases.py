"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.runs import ENGINE, FEW_STEPS, HIDDEN, LONE, STARVED, no_loader, run_of

CASES = (
    fires(
        LONE,
        "critical",
        "batches are made in the training process (30 ms each) while the device waits",
        where="/home/me/project/train.py:40",
        speedup=3.829,
    ),
    clear(STARVED),
    clear(HIDDEN),
    clear(run_of(0.5, 10.0, workers=0)),
    clear(ENGINE),
    unknown(no_loader(), "no DataLoader was seen in use"),
    unknown(FEW_STEPS, "only 3 steps after the warm-up (8 needed)"),
)
