"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.runs import LONE, STARVED, epochs, no_loader

CASES = (
    fires(
        epochs(10, 0.7, 5, workers=4, work_ms=600.0, steps=40, seconds=6.0, wait_seconds=5.6),
        "critical",
        "5 batches per epoch for 4 workers: they arrive in bursts of 600 ms of work each",
        where="/home/me/project/train.py:40",
        speedup=1.312,
    ),
    clear(STARVED),
    clear(LONE),
    clear(epochs(5, 1.0, 20, workers=2)),
    unknown(no_loader(), "no DataLoader was seen in use"),
)
