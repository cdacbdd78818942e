"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.runs import FEW_STEPS, STARVED, masked
from gpuwatch.model.measures import Place

CASES = (
    fires(
        masked("worker", workers=1, set_where=Place("/home/me/project/data.py", 9, "set_up")),
        "critical",
        "all workers share 1 core of the training's 8: the mask was narrowed inside the workers",
        where="/home/me/project/data.py:9",
        speedup=1.987,
    ),
    fires(
        masked("command", started=1, trainer=1, workers=1),
        "critical",
        "the training may use 1 core of 8: the mask was narrowed by the command (taskset, numactl or a launcher in it)",
        speedup=1.987,
    ),
    fires(
        masked("cpuset", allowed=1, given=1, started=1, trainer=1, workers=1),
        "critical",
        "the training may use 1 core of 8: the mask was narrowed by the container or job (cpuset)",
        confidence="medium",
        speedup=1.987,
    ),
    clear(masked("worker", workers=1, used_inside=0.4)),
    fires(
        masked("worker", workers=1, idle_outside=0.1),
        "critical",
        "all workers share 1 core of the training's 8: the mask was narrowed inside the workers",
        confidence="medium",
        where="/home/me/project/train.py:40",
        speedup=1.987,
    ),
    clear(masked("command", started=1, trainer=1, workers=1, idle_outside=0.1)),
    clear(masked(None)),
    clear(masked("worker", workers=1, used_inside=0.9, device_ms=100.0)),
    unknown(STARVED, "the masks of the trainer and its workers"),
    unknown(FEW_STEPS, "a measured loop over a DataLoader"),
)
