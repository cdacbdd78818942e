"""Profiles, and what the rule says of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gpuwatch.diagnosis.examples.cases import clear, fires, unknown
from gpuwatch.diagnosis.examples.runs import STARVED, ranks, run_of
from gpuwatch.model.profile import Profile
from gpuwatch.model.rank_comparison import RankSteps

TURNS = RankSteps(400, 37.6, 9.4, 0.3, ((0, 0.51), (1, 0.49)), 0.5, 0.8, "forward")


def side_by_side(steps: RankSteps, **changes: Any) -> Profile:
    """Return two ranks of the same pace, of which the steps say the rest."""
    return replace(run_of(8.0, 37.6, ranks=ranks((37.6, 20.0), (37.6, 20.0))), rank_steps=steps, **changes)


CASES = (
    fires(
        side_by_side(TURNS),
        "warning",
        "in each step another rank is late, and the others wait 9.1 ms for it",
        speedup=1.317,
    ),
    fires(
        side_by_side(replace(TURNS, lost_ms=5.3, part="input wait")),
        "warning",
        "in each step another rank is late, and the others wait 5 ms for it",
        confidence="medium",
        speedup=1.152,
    ),
    # The same rank in nearly every step.
    clear(side_by_side(replace(TURNS, fixed_ms=8.9, turns=0.05))),
    clear(side_by_side(replace(TURNS, turns=0.1))),
    # Some long pauses, now on this rank, now on that.
    clear(side_by_side(replace(TURNS, felt=0.04))),
    clear(side_by_side(replace(TURNS, lost_ms=1.2))),
    # Now this rank, now that one finds no core.
    clear(
        replace(
            side_by_side(TURNS),
            ranks=tuple(replace(rank, run_queue_delay_share=0.2) for rank in ranks((37.6, 20.0), (37.6, 20.0))),
        )
    ),
    unknown(STARVED, "steps that were measured in full on at least two ranks"),
)
