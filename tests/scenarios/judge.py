"""Hold a report (`gpuwatch run --json`) against what is true of its scenario."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.scenarios.catalogue import INPUT_ADVICE, Scenario

TRAINED = re.compile(r"^trained (\d+) steps in ([\d.]+) s$", re.MULTILINE)

WAITED = re.compile(r"^of which ([\d.]+) for batches$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one report got right. `line_right` and `predicted` are None where the scenario has none to compare."""

    bound: str
    bound_right: bool
    findings: tuple[str, ...]
    first_right: bool
    in_two: bool
    line_right: bool | None
    line: str | None
    wrong: tuple[str, ...]
    predicted: float | None


def judge(scenario: Scenario, report: dict[str, Any]) -> Judgement:
    """Return what a report got right about a scenario.

    A scenario without a cause counts as named when nothing wrong is said of it.
    """
    findings = [finding for finding in report["findings"] if finding["id"] != "not-instrumented"]
    names = tuple(finding["id"] for finding in findings)
    wrong = tuple(name for name in names if is_wrong(scenario, name))
    causes = {scenario.cause, *scenario.same}
    named = next((finding for finding in findings if finding["id"] in causes), None)
    bound = report["verdict"]["bound"]
    return Judgement(
        bound=bound,
        bound_right=bound in scenario.bound,
        findings=names,
        first_right=not wrong if scenario.cause is None else bool(causes & set(names[:1])),
        in_two=not wrong if scenario.cause is None else bool(causes & set(names[:2])),
        line_right=_line_right(scenario, named) if scenario.line else None,
        line=_place(named),
        wrong=wrong,
        predicted=((named or {}).get("speedup") or {}).get("predicted"),
    )


def is_wrong(scenario: Scenario, finding: str) -> bool:
    """Tell whether a finding would mislead a person about this scenario."""
    if finding in scenario.wrong:
        return True
    return finding in INPUT_ADVICE and finding not in (scenario.cause, *scenario.same, *scenario.also)


def _line_right(scenario: Scenario, finding: dict[str, Any] | None) -> bool:
    where = (finding or {}).get("where")
    if not where:
        return False
    return Path(where["file"]).name == scenario.path.name and where["line"] in scenario.cause_lines()


def _place(finding: dict[str, Any] | None) -> str | None:
    where = (finding or {}).get("where")
    return f"{Path(where['file']).name}:{where['line']}" if where else None


def loop_seconds(stdout: str) -> float | None:
    """Return the seconds of the training loop that a scenario printed at its end."""
    found = TRAINED.findall(stdout)
    return float(found[-1][1]) if found else None


def waited_share(stdout: str) -> float | None:
    """Return the share of its loop in which a scenario got its batches by its own clock, of those that print it."""
    found = WAITED.findall(stdout)
    return float(found[-1]) if found else None


def missing(scenario: Scenario) -> list[str]:
    """Return the libraries that a scenario needs and this environment lacks."""
    return [name for name in scenario.needs if importlib.util.find_spec(name) is None]
