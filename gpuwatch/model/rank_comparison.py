"""The ranks of one training side by side: who was late in each step, and who worked while all others waited."""

from __future__ import annotations

from typing import Literal

from gpuwatch.model.measures import Place
from gpuwatch.records import dataclass

# The parts of a step in which a rank can be late by its own doing.
OwnPart = Literal["input wait", "forward", "rest"]
# What a rank did while the others waited.
Doing = Literal["saving", "evaluation", "startup", "between loops", "step"]


@dataclass(frozen=True, slots=True)
class RankSteps:
    """The steps that were measured on all ranks. `own`: what of a step no other rank causes.

    `lost_ms`: by how much the latest rank of each step is over the mean, on average; `fixed_ms`: the part of it that the rank
    which is slowest on average explains, the rest is that of ranks that take turns. `last`: share of the steps in which each
    rank was the latest; `turns`: share in which the latest is another than in the step before; `felt`: share of the steps in
    which the latest is over the mean by a tenth of a step. `part`: where the latest ranks spend most of what they are over the
    mean."""

    steps: int
    step_ms: float
    lost_ms: float
    fixed_ms: float
    last: tuple[tuple[int, float], ...]
    turns: float
    felt: float
    part: OwnPart

    @property
    def rotating_ms(self) -> float:
        """Time of each step that ranks cost which take turns at being the latest."""
        return max(self.lost_ms - self.fixed_ms, 0.0)


@dataclass(frozen=True, slots=True)
class RankWork:
    """Time in which one rank worked while all others waited for it. `times`: how often, `seconds` in all; `doing`: what took
    most of it, at `where` if known; `waits_at`: where the others waited; `shown`: of all such times of any rank, this one's
    share."""

    rank: int
    seconds: float
    times: int
    doing: Doing
    where: Place | None
    waits_at: Place | None
    shown: float
