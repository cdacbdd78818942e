"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.runs import FEW_STEPS, HIDDEN, LONE, STARVED, TAKE_TURNS, no_loader, run_of, stream

CASES = (
    fires(
        STARVED,
        "critical",
        "2 workers are busy 100% of the time and 5.8 cores are idle",
        where="/home/me/project/train.py:40",
        speedup=1.478,
    ),
    clear(HIDDEN),
    clear(LONE),
    clear(run_of(cores=2.0)),
    clear(TAKE_TURNS),
    unknown(stream(2, (80.0, 80.0)), "the dataset is iterable, and no worker was observed to take a part of its own"),
    fires(
        stream(2, (80.0, 80.0), splits=True),
        "critical",
        "2 workers are busy 100% of the time and 5.8 cores are idle",
        where="/home/me/project/train.py:40",
        speedup=1.478,
    ),
    unknown(no_loader(), "no DataLoader was seen in use"),
    unknown(FEW_STEPS, "only 3 steps after the warm-up (8 needed)"),
)
