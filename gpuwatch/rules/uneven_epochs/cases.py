"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.runs import HIDDEN, no_loader, run_of

CASES = (
    fires(
        run_of(work_ms=8.0, loader={"whole_passes": (3840, 2400, 3100)}),
        "warning",
        "3 epochs over one loader have 2,400 to 3,840 samples: samples get lost or repeated",
        where="/home/me/project/data.py:12",
    ),
    fires(
        run_of(work_ms=8.0, loader={"whole_passes": (120, 0), "whole_passes_unit": "batches"}),
        "warning",
        "2 epochs over one loader have 0 to 120 batches: samples get lost or repeated",
        confidence="medium",
        where="/home/me/project/data.py:12",
    ),
    clear(run_of(loader={"whole_passes": (32_000, 32_000, 31_900)})),
    clear(run_of(loader={"whole_passes": (12_000, 32_000, 32_000)})),
    clear(HIDDEN),
    unknown(no_loader(), "no DataLoader was seen in use"),
)
