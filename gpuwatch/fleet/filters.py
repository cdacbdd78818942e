"""Which runs are meant: `--where user=alice` and `--since 7d`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

from gpuwatch.errors import UsageError
from gpuwatch.records import dataclass

# What may be asked for -> the column of `runs`, as SQL.
FIELDS = {
    "user": '"user"',
    "project": "project",
    "script": "script",
    "commit": '"commit"',
    "job": "job",
    "node": "host",
    "host": "host",
    "partition": '"partition"',
    "namespace": "namespace",
    "pod": "pod",
    "image": "image",
    "name": "name",
    "run": "run_id",
    "state": "state",
    "bound": "bound",
    "cause": "cause",
    "gpu": "gpu",
}
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([hdw])")


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition as SQL with its values."""

    sql: str
    values: tuple[Any, ...]


def conditions(wanted: Iterable[str]) -> list[Condition]:
    """Return what `--where` asks for: all of it must hold. Raises UsageError."""
    return [_condition(each) for each in wanted]


def _condition(wanted: str) -> Condition:
    name, equal, value = wanted.partition("=")
    name = name.strip()
    if not equal or not value:
        raise UsageError(f"--where {wanted!r} is not FIELD=VALUE", "Write --where user=alice, or project=img*")
    if name not in FIELDS:
        near = difflib.get_close_matches(name, FIELDS, 1)
        raise UsageError(f"no field {name!r}; {f'did you mean {near[0]}?' if near else 'known: ' + ', '.join(FIELDS)}")
    column = FIELDS[name]
    if any(char in value for char in "*?["):
        return Condition(f"{column} GLOB ?", (value,))
    if name == "commit":
        return Condition(f"starts_with({column}, ?)", (value,))
    return Condition(f"{column} = ?", (value,))


def since_condition(since: str | None, now: datetime | None = None) -> list[Condition]:
    """Return the condition that a run started since a date, or an age (36h, 7d, 2w). Raises UsageError."""
    if since is None:
        return []
    return [Condition("started >= ?", (moment(since, now or datetime.now(timezone.utc)),))]


def moment(since: str, now: datetime) -> datetime:
    """Return the time that is meant. Raises UsageError."""
    age = _AGE.fullmatch(since.strip())
    try:
        if age:
            return now - timedelta(**{_UNITS[age[2]]: float(age[1])})
        when = datetime.fromisoformat(since.strip().replace("Z", "+00:00"))
    except (ValueError, OverflowError):
        raise UsageError(
            f"--since {since!r} is neither a date nor an age", "Write --since 2026-11-20, 36h, 7d or 2w"
        ) from None
    return when if when.tzinfo else when.astimezone()


def place_condition(places: Iterable[str]) -> list[Condition]:
    """Return the condition that a run is at or below one of the places; without any, all are."""
    found = list(places)
    if not found:
        return []
    parts = " OR ".join(["run = ? OR starts_with(run, ?)"] * len(found))
    return [Condition(f"({parts})", tuple(value for place in found for value in (place, f"{place.rstrip('/')}/")))]
