"""Does a report contradict itself? Read from its JSON alone, and on purpose not with gpuwatch's own check of the same.

Each sentence that `found` returns names two things of one report that cannot both be true, or a place that does not exist.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.scenarios.catalogue import INPUT_ADVICE

Report = dict[str, Any]
FREE_INPUT_MATTERS = 1.1
# Verdicts beside which gpuwatch says that the input is to be left alone.
INPUT_IS_FINE = ("compute", "host", "transfer", "communication")
# What wins time by a faster input. Fewer workers save memory, pinning is about the copy in the step, and data that comes
# twice is trained on twice.
ABOUT_INPUT = INPUT_ADVICE - {"too-many-workers", "unpinned-transfer", "repeated-data"}
OPPOSITES = (
    ("no-worker-processes", "too-many-workers"),
    ("too-few-workers", "too-many-workers"),
    ("too-few-workers", "no-worker-processes"),
)
# Lines that a reader sees; the rest is the tail of the samples.
SHOWN = 3
WALL_SLACK_S, WALL_SLACK_SHARE = 1.5, 0.03


def found(report: Report) -> list[str]:
    """Return what of a report contradicts the rest of it, a sentence each."""
    checks = (_verdict, _shares, _phases, _intervals, _opposites, _evidence, _places)
    return [sentence for check in checks for sentence in check(report)]


def _verdict(report: Report) -> Iterator[str]:
    bound = report["verdict"]["bound"]
    free = predicted(report["verdict"].get("speedup_if_input_free"))
    # A headline may say so itself: that the input would win all the same, or that the loader takes time with its batches made.
    headline = report["verdict"]["headline"]
    said = "an input that cost nothing would" in headline or "with its batches ready" in headline
    if bound in INPUT_IS_FINE and free is not None and free > FREE_INPUT_MATTERS and not said:
        yield f"the verdict is {bound}, and an input that cost nothing would make the run {free:.2f} times as fast"
    if bound == "input" and free is not None and free < 1.02:
        yield f"the verdict is input, and an input that cost nothing would win nothing ({free:.2f})"
    for finding in report["findings"]:
        gain = predicted(finding.get("speedup"))
        if gain is None or finding["id"] not in ABOUT_INPUT:
            continue
        if bound in INPUT_IS_FINE and gain > FREE_INPUT_MATTERS:
            yield f"the verdict is {bound}, and {finding['id']} would win {gain:.2f}"
        if free is not None and gain > free * 1.05:
            yield f"{finding['id']} would win {gain:.2f}, more than an input that cost nothing ({free:.2f})"


def _shares(report: Report) -> Iterator[str]:
    share = report["verdict"].get("input_wait_share")
    free = predicted(report["verdict"].get("speedup_if_input_free"))
    if report["verdict"]["bound"] == "input" and share is not None and share["median"] < 0.03 and not (free or 0) > 1.1:
        yield f"the verdict is input, and {share['median']:.0%} of the loop is input wait"
    for line in report["hot_lines"]:
        if line["share"] > 1.005:
            yield f"{place(line)} takes {line['share']:.0%} of the work"
    for line in report["hot_lines"][:SHOWN]:
        if line["share"] < 0.005:
            yield f"{place(line)} is a hot line of {line['share']:.1%}"


def _phases(report: Report) -> Iterator[str]:
    if report["run"]["ranks"] > 1 or not report["phases"] or report["trainings"]:
        return
    total, wall = sum(phase["seconds"] for phase in report["phases"]), report["run"]["duration_s"]
    rank = next(iter(report.get("ranks") or ()), {})
    if rank.get("start_s") is not None:  # the launcher's own time, before and after, is a row of its own
        wall = rank["seconds"]
    if abs(total - wall) > max(WALL_SLACK_S, WALL_SLACK_SHARE * wall):
        yield f"the phases are {total:.1f} s of a run of {wall:.1f} s"
    shares = sum(phase["share"] for phase in report["phases"])
    if abs(shares - 1) > 0.01:
        yield f"the phases' shares are {shares:.1%} together"


def _intervals(report: Report) -> Iterator[str]:
    for path, value in _objects(report, ""):
        middle = value.get("median", value.get("predicted"))
        low, high = value.get("low"), value.get("high")
        if not all(isinstance(number, (int, float)) for number in (low, middle, high)):
            continue
        if not low <= middle <= high:
            yield f"{path.lstrip('.')}: {middle:.4g} is not within {low:.4g} to {high:.4g}"


def _objects(value: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        yield path, value
        for key, inner in value.items():
            yield from _objects(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _objects(inner, f"{path}.{number}")


def _opposites(report: Report) -> Iterator[str]:
    named = {finding["id"] for finding in report["findings"]}
    for one, other in OPPOSITES:
        if {one, other} <= named:
            yield f"{one} and {other} advise the opposite"


def _evidence(report: Report) -> Iterator[str]:
    """One metric has one value, and what a finding calls the input wait is the verdict's."""
    share = report["verdict"].get("input_wait_share")
    for finding in report["findings"]:
        for evidence in finding["evidence"]:
            value = evidence["value"]
            if evidence["metric"] != "input wait" or evidence["unit"] != "share" or share is None:
                continue
            if isinstance(value, (int, float)) and abs(value - share["median"]) > 0.05:
                yield f"{finding['id']} has an input wait of {value:.0%}, the verdict of {share['median']:.0%}"


def _places(report: Report) -> Iterator[str]:
    shown = [finding["where"] for finding in report["findings"] if finding.get("where")] + report["hot_lines"]
    for where in shown:
        if not where["file"].startswith("<") and not _exists(where):
            yield f"{place(where)} does not exist"


def _exists(where: dict[str, Any]) -> bool:
    try:
        lines = Path(where["file"]).read_text(encoding="utf-8", errors="replace").count("\n") + 1
    except OSError:
        return False
    return bool(1 <= where["line"] <= lines)


def predicted(speedup: dict[str, Any] | None) -> float | None:
    """Return the predicted gain, None where there is none."""
    return (speedup or {}).get("predicted")


def place(where: dict[str, Any]) -> str:
    """Return a place as it is shown."""
    return f"{'/'.join(Path(where['file']).parts[-2:])}:{where['line']}"
