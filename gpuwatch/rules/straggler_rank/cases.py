"""Profiles, and what the rule says of them."""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.runs import STARVED, ranks, run_of

ONE, TWO = ranks((20.0, 14.0), (10.0, 14.0))
UNEVEN = (ONE, replace(TWO, batches_per_backward=2.0))

CASES = (
    fires(
        run_of(ranks=ranks((20.0, 14.0), (20.0, 5.0), (20.0, 14.0))),
        "critical",
        "rank 1 needs 9 ms more per step than the others, which wait for it",
        speedup=2.459,
    ),
    clear(run_of(ranks=ranks((20.0, 14.0), (20.0, 13.5)))),
    # Rank 1 requests two batches, of 10 ms each, for every backward pass of all: they are equally fast.
    clear(run_of(ranks=UNEVEN)),
    unknown(STARVED, "steps of at least two ranks"),
)
