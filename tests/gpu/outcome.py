"""One check's outcome, the table of all, and the JSON result."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

Status = Literal["ok", "differs", "not checked"]
FORMAT = "gpuwatch.gpu_check/1"


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What was expected, what was seen; `not checked` says in `seen` why."""

    part: str
    name: str
    status: Status
    seen: str
    expected: str = ""
    values: dict[str, Any] = dataclasses.field(default_factory=dict)


def judge(part: str, name: str, good: bool, seen: str, expected: str, **values: Any) -> Outcome:
    """Return `ok` or `differs`."""
    return Outcome(part, name, "ok" if good else "differs", seen, expected, values)


def skipped(part: str, name: str, why: str) -> Outcome:
    """Return `not checked`, with the reason."""
    return Outcome(part, name, "not checked", why)


def table(outcomes: Iterable[Outcome]) -> str:
    """Return the outcomes as aligned lines, a blank one between parts."""
    rows = list(outcomes)
    width = max((len(row.name) for row in rows), default=0)
    lines, part = [], ""
    for row in rows:
        if row.part != part:
            part = row.part
            lines += ["", part]
        expected = f"   (expected: {row.expected})" if row.expected and row.status == "differs" else ""
        lines.append(f"  {row.status:<11}  {row.name:<{width}}  {row.seen}{expected}")
    counts = ", ".join(f"{sum(row.status == status for row in rows)} {status}" for status in Status.__args__)  # type: ignore[attr-defined]
    return "\n".join([*lines, "", counts])


def write(path: Path, machine: dict[str, Any], outcomes: Iterable[Outcome], whole: bool = True) -> None:
    """Write the result: what machine it was, and every check; `whole` is False while further checks are to come."""
    path.parent.mkdir(parents=True, exist_ok=True)
    checks = [dataclasses.asdict(one) for one in outcomes]
    result = {"format": FORMAT, "machine": machine, "whole": whole, "checks": checks}
    partial = path.with_name(f".{path.name}")
    partial.write_text(json.dumps(result, indent=1) + "\n")
    partial.replace(path)
