"""How the steps of a loop changed while it ran: a slope, a point from which on they differ, kinds that alternate."""

from __future__ import annotations

from typing import Literal

from gpuwatch.model.measures import Interval
from gpuwatch.records import dataclass

Shape = Literal["steady", "growing", "growing in each epoch", "changed"]


@dataclass(frozen=True, slots=True)
class PartTrend:
    """One part of the step: forward, backward, optimizer, other in-step, compute where these are not known, or input wait.

    `slope`: ms per 100 steps, Theil-Sen with its 95 % interval; `first_ms`, `last_ms`: in the first and the last part of
    the run, of an epoch, or before and after the change."""

    name: str
    slope: Interval
    first_ms: float
    last_ms: float

    @property
    def growth_ms(self) -> float:
        """By how much it grew."""
        return self.last_ms - self.first_ms


@dataclass(frozen=True, slots=True)
class StepKind:
    """Steps of about the same length that are a good part of all, apart from the others: `share` of the steps."""

    share: float
    ms: float


@dataclass(frozen=True, slots=True)
class Trend:
    """The steps of the primary loop over its run. `whole`: of all parts together; `from_step`: where they change, of a
    loop that changed; `wait_before`, `wait_after`: the share of waiting before and after that, or first and last.

    `mean_ms`: over all steps. `contended`: a thread that waits for a core, or other
    programs that use more of them, explain the growth; or the wait for batches that cost no more to make than before. `batches_ratio`: by how much
    batches grew themselves (samples or bytes), None where that is unknown. `memory_slope`: bytes per 100 steps that the
    process grew by. `cpu_growth_ms`: how much of the growth is CPU time of the training thread."""

    shape: Shape
    steps: int
    whole: PartTrend
    parts: tuple[PartTrend, ...]
    mean_ms: float
    from_step: int | None = None
    wait_before: float = 0.0
    wait_after: float = 0.0
    contended: bool = False
    batches_ratio: float | None = None
    memory_slope: float | None = None
    cpu_growth_ms: float | None = None
    kinds: tuple[StepKind, ...] = ()

    @property
    def grown(self) -> PartTrend:
        """The part that grew most."""
        return max(self.parts, key=lambda part: part.growth_ms, default=self.whole)
