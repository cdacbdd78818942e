"""Hold a report of gpuwatch against what the ablations of its project showed."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.benchmarks.wild import contradictions
from scripts.benchmarks.wild.contradictions import Report, predicted
from scripts.benchmarks.wild.project import Place, Truth

# What says something of the machine or of the recording, and advises nothing about the training's code.
NOTICES = frozenset(
    [
        "not-instrumented",
        "gpu-shared",
        "gpu-throttled",
        "gpu-memory-near-limit",
        "shared-memory-low",
        "cpu-quota",
        "preempted-launcher",
        "noisy-neighbour",
    ]
)


# What advises more worker processes; as `info` it only says that there are none.
MORE_WORKERS = frozenset(["no-worker-processes", "too-few-workers"])
WITH_WORKERS = re.compile(r"workers=(\d+)")
# Runs of one command differ by this much.
SLOWER = 0.97


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one report got right. None where the project has nothing to compare."""

    bound: str
    bound_right: bool
    findings: tuple[str, ...]
    first_right: bool
    line: str | None
    line_right: bool | None
    wrong: tuple[str, ...]
    contradictions: tuple[str, ...]
    predicted: float | None = None
    measured: float | None = None

    @property
    def error(self) -> float | None:
        """Distance of the predicted gain, relative to the measured one."""
        return abs(self.predicted - self.measured) / self.measured if self.predicted and self.measured else None


def judge(truth: Truth, report: Report, gains: dict[str, dict[str, Any]]) -> Judgement:
    """Return what a report got right; `gains` are those that the ablations measured, by variant.

    Where nothing is to fix, the cause counts as named when nothing wrong is advised."""
    findings = [finding for finding in report["findings"] if finding["id"] not in NOTICES]
    named = tuple(finding["id"] for finding in findings)
    wrong = tuple(dict.fromkeys((*_undeclared(truth, named), *_slower_advice(findings, report, gains))))
    where = acted_on(findings, report["hot_lines"])
    advised = next((finding for finding in findings if finding["id"] == truth.advice), None)
    return Judgement(
        bound=report["verdict"]["bound"],
        bound_right=report["verdict"]["bound"] in truth.bounds,
        findings=named,
        first_right=bool(named) and named[0] in truth.causes if truth.causes else not wrong,
        line=f"{contradictions.place(where)} {where.get('function') or ''}".rstrip() if where else None,
        line_right=any(is_at(place, where) for place in truth.places) if truth.places else None,
        wrong=wrong,
        contradictions=tuple(contradictions.found(report)),
        predicted=predicted((advised or {}).get("speedup")),
        measured=((gains.get(truth.fix) or {}).get("loop") or {}).get("median"),
    )


def _undeclared(truth: Truth, named: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in named if name not in (*truth.causes, *truth.also))


def _slower_advice(findings: list[dict[str, Any]], report: Report, gains: dict[str, dict[str, Any]]) -> tuple[str, ...]:
    """Return the findings that advise more workers where all ablations with more of them were slower."""
    more = [gain for number, gain in _gains_of_workers(gains) if number > _workers(report)]
    if not more or max(more) >= SLOWER:
        return ()
    return tuple(f["id"] for f in findings if f["id"] in MORE_WORKERS and f["severity"] != "info")


def _gains_of_workers(gains: dict[str, dict[str, Any]]) -> list[tuple[int, float]]:
    """Return the undisturbed ablations in which only the number of workers changed: the number, and the loop's gain."""
    counted = [(WITH_WORKERS.fullmatch(name), gain) for name, gain in gains.items()]
    return [
        (int(named[1]), gain["loop"]["median"])
        for named, gain in counted
        if named and gain.get("loop") and not gain.get("disturbed")
    ]


def _workers(report: Report) -> int:
    training = [loader["workers"] for loader in report.get("loaders", ()) if loader["role"] == "training"]
    return max(training, default=0)


def acted_on(findings: list[dict[str, Any]], hot_lines: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the place that a reader looks at first: the first finding's, else the first hot line."""
    if findings and findings[0].get("where"):
        where: dict[str, Any] = findings[0]["where"]
        return where
    return hot_lines[0] if hot_lines else None


def is_at(place: Place, where: dict[str, Any] | None) -> bool:
    """Tell whether a place of a report is the one declared."""
    if where is None or not where["file"].endswith(place.file):
        return False
    function = where.get("function") or ""
    if not function or function.startswith("<"):
        function = enclosing_function(where["file"], where["line"])
    return not place.function or function == place.function or function.endswith(f".{place.function}")


def enclosing_function(file: str, line: int) -> str:
    """Return the innermost function that a line is in, for places that were recorded without one; empty where unknown."""
    try:
        tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return ""
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    return max(around, key=lambda node: node.lineno).name if around else ""
