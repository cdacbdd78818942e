"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.runs import HIDDEN, no_loader, own_loop, phases, run_of
from gpuwatch.model.loader_profile import SkippedBatches
from gpuwatch.model.measures import Place

_LINE = Place("/home/me/project/train.py", 44, "main")
_HALF = phases(loader_startup=10.0, forward=4.0, backward=6.0)

CASES = (
    fires(
        run_of(8.0, ranks=_HALF, loader={"skipped": SkippedBatches(900, 10.0, _LINE)}),
        "critical",
        "900 batches were made and thrown away before the first step that trains: 10.0 s",
        where="/home/me/project/train.py:44",
        speedup=2.0,
    ),
    fires(
        run_of(8.0, ranks=_HALF, loader={"skipped": SkippedBatches(90, 2.0, _LINE), "dataset_kind": "iterable"}),
        "warning",
        "90 batches were made and thrown away before the first step that trains: 2.0 s",
        where="/home/me/project/train.py:44",
        speedup=1.111,
    ),
    # A few batches, or a moment, are no loss.
    clear(run_of(8.0, ranks=_HALF, loader={"skipped": SkippedBatches(20, 0.4, _LINE)})),
    clear(run_of(8.0, ranks=phases(forward=40.0, backward=60.0), loader={"skipped": SkippedBatches(90, 2.0, _LINE)})),
    clear(HIDDEN),
    unknown(no_loader(), "a DataLoader in use"),
    unknown(own_loop(), "a DataLoader in use"),
)
