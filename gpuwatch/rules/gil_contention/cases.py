"""Profiles, and what the rule says of them."""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_device
from gpuwatch.diagnosis.examples.runs import (
    HANDED_LINE,
    MODEL_LINE,
    PLANNING,
    POOLED,
    beside,
    no_loader,
    own_loop,
    run_of,
)
from gpuwatch.model.threads import TrainerThreads

_PINS = replace(PLANNING, name="_pin_memory_loop", makes="pinned memory", line=None)
_FED = own_loop(MODEL_LINE, HANDED_LINE, threads=(TrainerThreads(0, 0.2, 0.0, (POOLED,)),))

CASES = (
    fires(
        beside(PLANNING),
        "critical",
        "a thread of the training holds the interpreter lock for 90% of the time while the training is blocked for 90% of its time, at line 12: cost = sum(costs)",
        where="/home/me/project/plan.py:12",
        speedup=10.0,
    ),
    fires(
        beside(replace(PLANNING, held=None)),
        "critical",
        "a thread of the training computes for 95% of the time while the training is blocked for 90% of its time, at line 12: cost = sum(costs)",
        confidence="medium",
        where="/home/me/project/plan.py:12",
        speedup=10.0,
    ),
    fires(
        beside(_PINS),
        "critical",
        "the loader's pin-memory thread holds the interpreter lock for 90% of the time while the training is blocked for 90% of its time",
        where="/home/me/project/train.py:40",
        speedup=10.0,
    ),
    fires(
        _FED,
        "critical",
        "8 threads of the training make the batches in Python, one at a time: they fill 95% of one core, most of it at line 12: cost = sum(costs)",
        where="/home/me/t.py:9",
        speedup=5.898,
    ),
    # It waits for a reply, or computes in a library that releases the lock.
    clear(beside(replace(PLANNING, cores=0.02, held=0.0))),
    clear(beside(replace(PLANNING, held=0.03))),
    clear(beside(PLANNING, cpu=0.95)),
    clear(beside(PLANNING, devices=(make_device(busy=0.95),))),
    clear(beside()),
    clear(own_loop(MODEL_LINE, HANDED_LINE, threads=(TrainerThreads(0, 0.2, 0.0, (replace(POOLED, held=0.1),)),))),
    unknown(run_of(8.0), "stack samples of the training's threads with their CPU time"),
    unknown(no_loader(), "a measured loop over a DataLoader"),
)
