"""Profiles, and what the rule says of them."""

from __future__ import annotations

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.runs import STARVED, ranks, run_of

CASES = (
    fires(
        run_of(ranks=ranks((20.0, 14.0), (20.0, 5.0), (20.0, 14.0))),
        "critical",
        "rank 1 needs 9 ms more per step than the others, which wait for it",
        speedup=2.459,
    ),
    clear(run_of(ranks=ranks((20.0, 14.0), (20.0, 13.5)))),
    unknown(STARVED, "steps of at least two ranks"),
)
