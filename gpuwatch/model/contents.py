"""What was found in a few sampled batches and steps: padding, and tables of which a step uses few rows."""

from __future__ import annotations

from gpuwatch.model.threads import Line
from gpuwatch.records import dataclass


@dataclass(frozen=True, slots=True)
class Padding:
    """Sequences in sampled batches of a loader. `positions`: of a row, on average; `longest`: the share of them up to the
    end of a batch's longest row; `filled`: the share of all that is no padding; `line`: that which fills them up, where it is known. `packed`: the model
    packs sequences, so that it computes on values alone."""

    batches: int
    positions: float
    longest: float
    filled: float
    line: Line | None = None
    packed: bool = False


@dataclass(frozen=True, slots=True)
class LargeTable:
    """A large parameter that an optimizer updates. `elements`: its part of all elements that the optimizer updates;
    `touched`: share of its rows with a gradient in a step, None of a sparse gradient; `line`: that which makes it."""

    optimizer: str
    rows: int
    width: int
    elements: float
    touched: float | None
    line: Line | None = None
