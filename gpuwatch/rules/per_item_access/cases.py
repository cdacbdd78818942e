"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.runs import COLLATE, HIDDEN, STARVED, no_loader, run_of

CASES = (
    fires(
        run_of(1.0, 0.2, 0, loader={"dataset_kind": "tensor"}),
        "critical",
        "Photos is in memory, but is fetched row by row: 31.2 µs a sample, mostly Python",
        where="/home/me/project/train.py:40",
        speedup=2.8,
    ),
    fires(
        run_of(1.0, 0.2, 0, loader={"operations": (COLLATE,)}, fetch={"rchar_per_batch": 0.0}),
        "critical",
        "Photos is in memory, but is fetched row by row: 31.2 µs a sample, mostly Python",
        confidence="medium",
        where="/home/me/project/train.py:40",
        speedup=2.8,
    ),
    clear(STARVED),
    clear(HIDDEN),
    clear(run_of(1.0, 0.2, 0, loader={"dataset_kind": "tensor"}, fetch={"batched": True})),
    # The dataset's own collate function works on the whole batch: that is no access to rows.
    clear(
        run_of(
            1.0,
            0.2,
            0,
            loader={"operations": (COLLATE,), "attributes": {"collate": "recbole.data.TrainDataLoader.collate_fn"}},
            fetch={"rchar_per_batch": 0.0},
        )
    ),
    unknown(no_loader(), "no DataLoader was seen in use"),
    unknown(run_of(fetch={"samples_per_batch": None}), "samples per batch"),
)
