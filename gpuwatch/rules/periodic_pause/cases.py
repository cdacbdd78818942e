"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.parts import make_rank
from gpuwatch.diagnosis.examples.runs import FEW_STEPS, HIDDEN, long_steps, no_loader, run_of

CASES = (
    fires(
        run_of(8.0, ranks=(make_rank(long_steps=long_steps()),)),
        "critical",
        "a checkpoint every 100 steps: 10 steps take 0.4 s longer than the median of 15 ms",
        where="t.py:9",
        speedup=1.645,
    ),
    fires(
        run_of(8.0, ranks=(make_rank(long_steps=long_steps(cause="unknown", where=None)),)),
        "critical",
        "a pause every 100 steps: 10 steps take 0.4 s longer than the median of 15 ms",
        speedup=1.645,
    ),
    clear(HIDDEN),
    clear(run_of(8.0, ranks=(make_rank(long_steps=long_steps(share=0.02)),))),
    clear(run_of(8.0, ranks=(make_rank(long_steps=long_steps(regular=False)),))),
    clear(run_of(8.0, ranks=(make_rank(long_steps=long_steps(cause="evaluation")),))),
    unknown(no_loader(), "a measured loop over a DataLoader"),
    unknown(FEW_STEPS, "a measured loop over a DataLoader"),
)
