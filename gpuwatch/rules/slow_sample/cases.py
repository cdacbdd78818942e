"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.runs import HIDDEN, LONE, SPREAD, STARVED, no_loader, run_of
from gpuwatch.model.loader_profile import QueueProfile

CASES = (
    fires(
        run_of(fetch=SPREAD, loader={"queue": QueueProfile(0.3, 2.0, 0.7)}),
        "critical",
        "70% of the wait is for a late batch while later ones are ready; slow batches take 4.0 times the median",
        where="/home/me/project/train.py:40",
        speedup=1.49,
    ),
    clear(STARVED),
    clear(HIDDEN),
    clear(LONE),
    clear(run_of(fetch=SPREAD, loader={"queue": QueueProfile(0.3, 0.1, 0.05)})),
    clear(run_of(fetch=SPREAD | {"busy_share": 0.98}, loader={"queue": QueueProfile(0.3, 2.0, 0.7)})),
    clear(run_of(fetch=SPREAD, loader={"queue": QueueProfile(0.3, 2.0, 0.7), "in_order": False})),
    unknown(run_of(loader={"queue": None}), "the state of the loader's queue"),
    unknown(no_loader(), "no DataLoader was seen in use"),
)
