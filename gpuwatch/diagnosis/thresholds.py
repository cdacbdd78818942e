"""Thresholds that carry their unit and their reason, and remember what they were compared with when asked to.

A threshold is a float: a rule writes `share < t.share`. While `comparisons()` is open, each comparison is kept once, which
is how `gpuwatch explain ID --run RUN` shows the numbers of a rule that did not fire.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields
from typing import Any, Literal, NamedTuple

from gpuwatch.model.measures import Interval
from gpuwatch.records import dataclass

State = Literal["yes", "no", "borderline"]


class Comparison(NamedTuple):
    """A measured value against a threshold: whether `value sign threshold` holds.

    `low` and `high` are set where the value is an interval's median; "borderline": the interval does not decide.
    """

    threshold: Threshold
    value: float
    sign: str
    holds: State
    low: float | None = None
    high: float | None = None


_KEPT: ContextVar[list[Comparison] | None] = ContextVar("_KEPT", default=None)


class Threshold(float):
    """A number that a measured value is compared with: its unit, and why it is this number and no other.

    `name` is that of the field it is declared in; outside of a class it is given.
    """

    name: str
    number: float
    unit: str
    why: str

    def __new__(cls, value: float, unit: str, why: str, name: str = "") -> Threshold:
        made = super().__new__(cls, value)
        made.number, made.unit, made.why, made.name = value, unit, why, name
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
        if holds is not NotImplemented:
            _remember(Comparison(self, plain(value), sign, "yes" if holds else "no"))
        return holds


def keep_interval(value: Interval, threshold: float, holds: State) -> None:
    """Keep that an interval was found to be above a threshold, not above it, or on both sides."""
    if isinstance(threshold, Threshold):
        _remember(Comparison(threshold, value.median, ">", holds, value.low, value.high))


def plain(value: float) -> float:
    """Return a threshold's number as it was declared, any other number as it is."""
    return value.number if isinstance(value, Threshold) else value


def _remember(comparison: Comparison) -> None:
    kept = _KEPT.get()
    if kept is None or any(one.threshold is comparison.threshold and one == comparison for one in kept):
        return
    kept.append(comparison)


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
