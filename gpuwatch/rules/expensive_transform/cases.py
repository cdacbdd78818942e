"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.runs import DECODE, HIDDEN, JITTER, no_loader, run_of, with_operations

CASES = (
    fires(
        with_operations(JITTER),
        "warning",
        "50% of making a batch is ColorJitter (470 µs per sample)",
        where="/home/me/project/train.py:20",
        speedup=1.45,
    ),
    clear(HIDDEN),
    clear(with_operations(DECODE)),
    unknown(run_of(loader={"operations": ()}), "times of the operations in a fetch"),
    unknown(no_loader(), "no DataLoader was seen in use"),
)
