"""Objects that a run builds again and again."""

from __future__ import annotations

from typing import Literal

from gpuwatch.model.measures import Place
from gpuwatch.records import dataclass


@dataclass(frozen=True, slots=True)
class Setup:
    """An object built for each item or in each step, from what does not depend on these. `place`: the user's line that
    builds it; `share`: of making batches, or of the training's own code in the step."""

    name: str
    per: Literal["item", "step"]
    place: Place
    source: str | None
    share: float
    samples: int
