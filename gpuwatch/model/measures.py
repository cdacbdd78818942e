"""What figures are made of: a median with its interval, a place in source code, a phase of the wall time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpuwatch.records import dataclass

# Metadata of a field that parts of gpuwatch hand each other: it is in no JSON, and in no schema.
INTERNAL: Mapping[str, Any] = {"internal": True}


@dataclass(frozen=True, slots=True)
class Interval:
    """A median with its 95 % bootstrap interval over `n` observations."""

    median: float
    low: float
    high: float
    n: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """A position in somebody's source."""

    file: str
    line: int
    function: str | None = None


@dataclass(frozen=True, slots=True)
class Phase:
    """One row of the partition of a rank's wall time."""

    name: str
    seconds: float
    share: float


PHASES = (
    "startup",
    "loader startup",
    "input wait",
    "forward",
    "backward",
    "optimizer",
    "other in-step",
    "evaluation",
    "rollout",
    "between loops",
    "tracing",
    "shutdown",
    "unexplained",
)
# Phases that most trainings do not have: a row only where there is one.
OCCASIONAL = frozenset(("rollout", "tracing"))


def phase_rows(seconds: Mapping[str, float], whole: float) -> tuple[Phase, ...]:
    """Return the rows of a partition of `whole` seconds, in the order of PHASES."""
    rows = (Phase(n, seconds.get(n, 0.0), seconds.get(n, 0.0) / whole if whole > 0 else 0.0) for n in PHASES)
    return tuple(row for row in rows if row.seconds > 0 or row.name not in OCCASIONAL)
