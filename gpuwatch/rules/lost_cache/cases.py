"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.runs import FEW_STEPS, HIDDEN, STARVED, keeping

CASES = (
    fires(
        keeping("dict", 320.0),
        "warning",
        "Tiles.kept keeps 320 samples in each epoch and is lost with the workers at its end, 5 times",
        confidence="medium",
        where="/home/me/project/train.py:40",
        speedup=1.086,
    ),
    fires(
        keeping("lru_cache", 300.0, attributes={"sampler": "RandomSampler"}),
        "warning",
        "Tiles.kept keeps 300 samples in each epoch and is lost with the workers at its end, 5 times",
        where="/home/me/project/train.py:40",
        speedup=1.084,
    ),
    clear(keeping("list", 320.0)),
    clear(keeping("dict", 20.0)),
    clear(keeping("dict", 320.0, cost_ratio=0.3)),
    clear(keeping("dict", 320.0, processes=2)),
    clear(keeping("dict", 320.0, kept_epochs=1)),
    clear(HIDDEN),
    unknown(STARVED, "what each worker kept"),
    unknown(FEW_STEPS, "only 3 steps after the warm-up (8 needed)"),
)
