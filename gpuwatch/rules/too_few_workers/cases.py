"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.runs import (
    BLOCKED,
    FEW_STEPS,
    HIDDEN,
    LONE,
    STARVED,
    TAKE_TURNS,
    no_loader,
    run_of,
    stream,
)

STREAM = {"dataset_kind": "iterable"}

CASES = (
    fires(
        STARVED,
        "critical",
        "2 workers are busy 100% of the time and 5.8 cores are idle",
        where="/home/me/project/train.py:40",
        speedup=1.478,
    ),
    # Blocked workers may be more than the cores; those that compute may not.
    fires(
        run_of(cores=2.0, fetch=BLOCKED),
        "critical",
        "2 workers are busy 100% of the time and blocked 80% of a batch's time",
        where="/home/me/project/train.py:40",
        speedup=1.478,
    ),
    # Of an iterable dataset each worker has a copy, which it has to take its part of.
    fires(
        run_of(loader=STREAM | {"attributes": {"splits": True}}),
        "critical",
        "2 workers are busy 100% of the time and 5.8 cores are idle",
        where="/home/me/project/train.py:40",
        speedup=1.478,
    ),
    unknown(
        run_of(loader=STREAM | {"attributes": {"splits": False}}),
        "the dataset is iterable, and no worker was observed to take a part of its own",
    ),
    unknown(run_of(loader=STREAM), "the dataset is iterable, and no worker was observed to take a part of its own"),
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
