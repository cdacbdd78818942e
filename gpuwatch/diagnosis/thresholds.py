"""Thresholds that carry their unit and their reason, and remember what they were compared with when asked to.

A threshold is a float: a rule writes `share < t.share`. While `comparisons()` is open, each comparison is kept, which
is how `gpuwatch explain ID --run RUN` shows the numbers of a rule that did not fire.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields
from typing import Any, NamedTuple


class Comparison(NamedTuple):
    """A measured value against a threshold: `value sign threshold` was found to hold or not."""

    threshold: Threshold
    value: float
    sign: str
    holds: bool


_KEPT: ContextVar[list[Comparison] | None] = ContextVar("_KEPT", default=None)


class Threshold(float):
    """A number that a measured value is compared with: its unit, and why it is this number and no other."""

    name: str
    number: float
    unit: str
    why: str

    def __new__(cls, value: float, unit: str, why: str) -> Threshold:
        made = super().__new__(cls, value)
        made.number, made.unit, made.why = value, unit, why
        return made

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    __hash__ = float.__hash__

    # Python asks the subclass first, so that `value < threshold` arrives here as `threshold > value`.
    def __gt__(self, value: float) -> bool:
        return self._keep(value, "<", float.__gt__(self, value))

    def __ge__(self, value: float) -> bool:
        return self._keep(value, "<=", float.__ge__(self, value))

    def __lt__(self, value: float) -> bool:
        return self._keep(value, ">", float.__lt__(self, value))

    def __le__(self, value: float) -> bool:
        return self._keep(value, ">=", float.__le__(self, value))

    def _keep(self, value: float, sign: str, holds: bool) -> bool:
        kept = _KEPT.get()
        if kept is not None:
            kept.append(Comparison(self, value, sign, holds))
        return holds


@dataclass(frozen=True)
class NoThresholds:
    """The thresholds of a rule that has none, and the base of those of all others."""

    def listed(self) -> list[Threshold]:
        """Return the thresholds in the order of their declaration."""
        values: list[Any] = [getattr(self, field.name) for field in fields(self)]
        return [value for value in values if isinstance(value, Threshold)]


@contextmanager
def comparisons() -> Iterator[list[Comparison]]:
    """Keep the comparisons that are made inside the block, in their order."""
    kept: list[Comparison] = []
    token = _KEPT.set(kept)
    try:
        yield kept
    finally:
        _KEPT.reset(token)
