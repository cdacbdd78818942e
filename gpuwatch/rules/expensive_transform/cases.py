"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_operation
from gpuwatch.diagnosis.examples.runs import DECODE, HIDDEN, JITTER, no_loader, run_of, with_operations

CASES = (
    fires(
        with_operations(JITTER),
        "warning",
        "50% of making a batch is ColorJitter (470 µs per sample)",
        where="/home/me/project/train.py:20",
        speedup=1.45,
    ),
    # A tokenizer that a collate function calls for the whole batch: cached items would not hold its result.
    fires(
        with_operations(make_operation("tokenise", share=0.9, calls_per_sample=0.02)),
        "critical",
        "90% of making a batch is tokenise (470 µs per sample)",
        where="/home/me/project/train.py:20",
        speedup=1.419,
    ),
    clear(HIDDEN),
    clear(with_operations(DECODE)),
    unknown(run_of(loader={"operations": ()}), "times of the operations in a fetch"),
    unknown(no_loader(), "no DataLoader was seen in use"),
)
