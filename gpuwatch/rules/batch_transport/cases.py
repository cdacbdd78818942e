"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.runs import COLLATE, HIDDEN, LONE, STARVED, no_loader, run_of

CASES = (
    fires(
        run_of(fetch={"serialise_ms": 40.0, "tensors_per_batch": 112.0}),
        "critical",
        "moving a batch of 112 tensors to the trainer takes 57% of making it",
        confidence="medium",
        where="/home/me/project/train.py:40",
        speedup=1.741,
    ),
    fires(
        run_of(fetch={"serialise_ms": 10.0, "bytes_per_batch": 4e7}, loader={"operations": (COLLATE,)}),
        "critical",
        "moving a batch of 40.0 MB to the trainer takes 78% of making it",
        confidence="medium",
        where="/home/me/project/train.py:40",
        speedup=1.494,
    ),
    fires(
        run_of(fetch={"serialise_ms": 20.0, "tensors_per_batch": 0.0, "bytes_per_batch": 1e5}),
        "warning",
        "moving a batch of 0.1 MB to the trainer takes 40% of making it",
        confidence="medium",
        where="/home/me/project/train.py:40",
        speedup=1.423,
    ),
    clear(STARVED),
    clear(HIDDEN),
    clear(LONE),
    clear(run_of(fetch={"tensors_per_batch": 112.0})),
    unknown(run_of(fetch={"serialise_ms": None}), "events of the batches' serialisation"),
    unknown(no_loader(), "no DataLoader was seen in use"),
)
