"""The projects' results as a table: for a terminal, and for docs/accuracy.md with the version before beside it."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from scripts.benchmarks import pages
from scripts.benchmarks.wild import ablation, catalogue
from scripts.benchmarks.wild.scoring import RESULTS

HEAD = (
    "project", "true bound", "verdict", "first finding", "line", "wrong advice", "contradictions",
    "predicted", "measured", "overhead", "results", "`try`",
)  # fmt: skip
MARKS = {True: "yes", False: "**no**", None: "–"}
Result = dict[str, Any]


def page(folder: Path = RESULTS) -> str:
    """Return the section's block for docs/accuracy.md: totals of both versions, then a table of each."""
    parts = []
    for label, title in (("now", "This version"), ("before", "The version before these projects were looked at")):
        results = load(label, folder)
        if results:
            parts += [f"{title} ({commits(results)}):", totals(results), pages.table(list(HEAD), rows(results))]
    parts.append(tested(load("now", folder)))
    return "\n\n".join(parts)


def load(label: str, folder: Path = RESULTS) -> dict[str, Result]:
    """Return the kept results under a label, by project; a project without one is not in it."""
    files = {name: folder / label / f"{name}.json" for name in catalogue.names()}
    return {name: json.loads(file.read_text(encoding="utf-8")) for name, file in files.items() if file.exists()}


def commits(results: dict[str, Result]) -> str:
    """Return which commits of gpuwatch were judged, and when."""
    dates = sorted({result["date"] for result in results.values() if "date" in result})
    named = sorted({result["gpuwatch"] for result in results.values() if "gpuwatch" in result})
    return f"{', '.join(named)}; {', '.join(dates)}"


def rows(results: dict[str, Result]) -> list[list[str]]:
    """Return a row per project."""
    return [row(name, result) for name, result in results.items()]


def row(name: str, result: Result) -> list[str]:
    """Return the cells of one project; what was wrong stands in them."""
    bounds = ", ".join(catalogue.load(name).truth.bounds)
    judgement = result.get("judgement")
    if judgement is None:
        return [name, bounds, result.get("failed") or "not run", *[""] * 8, tried(result)]
    first = judgement["findings"][0] if judgement["findings"] else "none"
    if not is_measured(name):
        said = [
            judgement["bound"],
            first,
            judgement["line"] or "none",
            "",
            str(len(judgement["contradictions"]) or "–"),
        ]
        return [
            name,
            "not measured",
            *said,
            "",
            "",
            percent(result.get("overhead")),
            same(result.get("results")),
            tried(result),
        ]
    return [
        name,
        bounds,
        marked(judgement["bound_right"], judgement["bound"]),
        marked(judgement["first_right"], first),
        marked(judgement["line_right"], judgement["line"] or "none") if judgement["line_right"] is not None else "–",
        ", ".join(judgement["wrong"]) or "–",
        str(len(judgement["contradictions"]) or "–"),
        times(judgement["predicted"]),
        times(judgement["measured"]),
        percent(result.get("overhead")),
        same(result.get("results")),
        tried(result),
    ]


def is_measured(name: str) -> bool:
    """Say whether ablations of the project are kept that other programs did not disturb: without them nothing is known to be
    right or wrong."""
    truth = ablation.load(ablation.TRUTHS / f"{name}.json")
    gains = truth.gains.values() if truth is not None else ()
    return any((told.get("step") or told.get("loop")) and not told.get("disturbed") for told in gains)


def totals(results: dict[str, Result]) -> str:
    """Return the sums as a list."""
    reported = [result["judgement"] for result in results.values() if result.get("judgement")]
    judged = [r["judgement"] for name, r in results.items() if r.get("judgement") and is_measured(name)]
    lined = [each["line_right"] for each in judged if each["line_right"] is not None]
    overheads = [result["overhead"]["median"] for result in results.values() if result.get("overhead")]
    compared = [result["results"]["identical"] for result in results.values() if result.get("results")]
    known = [each for each in compared if each is not None]
    errors = [abs(e["predicted"] - e["measured"]) / e["measured"] for e in judged if e["predicted"] and e["measured"]]
    tries = [result["try"]["works"] for result in results.values() if result.get("try")]
    lines = [
        f"Projects: {len(results)}, without a report: {len(results) - len(reported)}; ablations measured: {len(judged)}, the "
        "figures that need them are of those.",
        f"Verdict right: {sum(each['bound_right'] for each in judged)}/{len(judged)}.",
        f"Cause first: {sum(each['first_right'] for each in judged)}/{len(judged)}.",
        f"Line that the project's user can act on: {sum(lined)}/{len(lined)}.",
        f"Wrong advice: {sum(len(each['wrong']) for each in judged)} in {sum(bool(e['wrong']) for e in judged)} projects.",
        f"Contradictions: {sum(len(each['contradictions']) for each in reported)} "
        f"in {sum(bool(each['contradictions']) for each in reported)} of {len(reported)} projects.",
        f"Predicted gain within 20 %: {sum(error <= 0.2 for error in errors)}/{len(errors)}.",
        f"Overhead: median {statistics.median(overheads):.1%} of {len(overheads)}."
        if overheads
        else "Overhead: not run.",
        f"Results identical where the bare run is deterministic: {sum(known)}/{len(known)}.",
        f"`gpuwatch try` measured something in two rounds or more: {sum(tries)}/{len(tries)}.",
    ]
    return "\n".join(f"- {line}" for line in lines)


def tested(results: dict[str, Result]) -> str:
    """Return the versions of what was run."""
    each = [
        f"{name} ({', '.join(f'{package} {version}' for package, version in result['versions'].items())})"
        for name, result in results.items()
        if result.get("versions")
    ]
    return f"Run: {'; '.join(each)}." if each else ""


def marked(right: bool | None, said: str) -> str:
    """Return what was said, with **no** before it where that was wrong."""
    return said if right else f"{MARKS[right]}: {said}"


def times(value: float | None) -> str:
    """Return a speed-up."""
    return f"{value:.2f}×" if value else "–"


def percent(overhead: dict[str, Any] | None) -> str:
    """Return an overhead with its spread."""
    if not overhead:
        return "–"
    return f"{overhead['median']:+.1%} ({overhead['low']:+.1%} … {overhead['high']:+.1%})"


def same(results: dict[str, Any] | None) -> str:
    """Return whether the results were the same bare and wrapped."""
    if not results or results["deterministic"] is None:
        return "–"
    return MARKS[results["identical"]] if results["deterministic"] else "bare runs differ"


def tried(result: Result) -> str:
    """Return what `gpuwatch try` came to."""
    told = result.get("try")
    if not told:
        return "–"
    if told["works"]:
        return f"yes, {told['rounds']} rounds"
    return "says why not" if told["notes"] else "**no**"
