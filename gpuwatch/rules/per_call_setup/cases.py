"""Profiles, and what the rule says of them."""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.runs import HIDDEN, SAMPLED, STARVED, no_loader, run_of
from gpuwatch.model.measures import Place
from gpuwatch.model.setups import Setup

_BANK = Setup(
    "FilterBank", "item", Place("/home/me/project/data.py", 32, "__getitem__"), "bank = FilterBank(64)", 0.8, 300
)
_TABLE = Setup("Resample", "step", Place("/home/me/project/train.py", 50, "main"), None, 0.4, 120)

CASES = (
    fires(
        run_of(stacks=SAMPLED, setups=(_BANK,)),
        "critical",
        "FilterBank is built again for each item: 80% of making batches, at line 32: bank = FilterBank(64)",
        where="/home/me/project/data.py:32",
        speedup=1.494,
    ),
    fires(
        run_of(8.0, stacks=SAMPLED, setups=(_TABLE,)),
        "critical",
        "Resample is built again in each step: 40% of the step, at line 50",
        where="/home/me/project/train.py:50",
        speedup=1.645,
    ),
    # Something else costs more; or the loop does not wait for its batches.
    clear(run_of(stacks=SAMPLED, setups=(replace(_BANK, share=0.1),))),
    clear(run_of(8.0, stacks=SAMPLED, setups=(_BANK,))),
    clear(run_of(8.0, stacks=SAMPLED, setups=(replace(_TABLE, share=0.05),))),
    clear(run_of(stacks=SAMPLED)),
    unknown(HIDDEN, "stack samples of the training process"),
    unknown(STARVED, "stack samples of the training process"),
    unknown(no_loader(), "a measured loop over a DataLoader"),
)
