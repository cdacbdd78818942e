"""Series for the pictures, at full resolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Lane:
    """One row of the timeline. `t_s` seconds since the run started. `kind`: `line` (values), `spans` (start_s, end_s,
    label), `marks` (t_s, label). `group` ties lanes of one GPU, rank or worker together."""

    name: str
    group: str
    kind: Literal["line", "spans", "marks"]
    unit: str
    t_s: tuple[float, ...] = ()
    values: tuple[float | None, ...] = ()
    spans: tuple[tuple[float, float, str], ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Series for the pictures, full resolution (views decimate)."""

    seconds: float
    lanes: tuple[Lane, ...]
