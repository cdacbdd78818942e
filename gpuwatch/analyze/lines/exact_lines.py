"""The exact pass: which functions to measure, after a run; and what line_profiler measured in them, over all processes."""

from __future__ import annotations

import json
import linecache
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gpuwatch.model.exact_lines import ExactFunction, ExactLine, ExactPass
from gpuwatch.model.hot_lines import HotLine
from gpuwatch.words.source_code import is_library

FORMAT = "gpuwatch.exact/1"
_MOST_FUNCTIONS = 6
_LEAST_SHARE = 0.05
_IN_A_FETCH = ("fetch", "collate")
_IN_A_STEP = ("step", "long step", "evaluation")
Plan = list[dict[str, Any]]


def pick(lines: Iterable[HotLine]) -> Plan:
    """Return the functions in which a run's hot lines lie, costliest first: what the hook is asked to measure."""
    shares: dict[tuple[str, str, str], float] = defaultdict(float)
    hottest: dict[tuple[str, str, str], HotLine] = {}
    for line in lines:
        during = _during(line)
        if during is None or not _is_source(line):
            continue
        key = (line.file, line.function, during)
        shares[key] += line.share
        hottest[key] = max(line, hottest.get(key, line), key=lambda one: one.share)
    by_cost = sorted(shares, key=lambda key: -_seconds(key, shares, hottest))
    return [
        {"file": file, "function": function, "line": hottest[file, function, during].line, "during": during}
        for file, function, during in by_cost
        if shares[file, function, during] >= _LEAST_SHARE
    ][:_MOST_FUNCTIONS]


def _seconds(
    key: tuple[str, str, str],
    shares: Mapping[tuple[str, str, str], float],
    hottest: Mapping[tuple[str, str, str], HotLine],
) -> float:
    """Return the wall time that a function's lines stand for, in seconds."""
    line = hottest[key]
    return shares[key] * line.seconds / line.share if line.share > 0 else 0.0


def _during(line: HotLine) -> str | None:
    if line.activity in _IN_A_FETCH:
        return "fetch"
    return "step" if line.activity in _IN_A_STEP and line.process_role == "trainer" else None


def _is_source(line: HotLine) -> bool:
    return line.file.endswith(".py") and not is_library(line.file)


def read_tables(run: Path) -> list[dict[str, Any]]:
    """Return what each process of a run wrote of its lines; files that are not ours, or damaged, are left out."""
    tables = []
    for path in sorted((run / "exact").glob("*.json")):
        try:
            recorded = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(recorded, dict) and recorded.get("format") == FORMAT:
            tables.append(recorded)
    return tables


def merge(
    run: str, plan: Plan, sample: int | None, tables: Sequence[Mapping[str, Any]], before: Sequence[HotLine]
) -> ExactPass:
    """Add up the processes' tables. `before`: the hot lines of the sampled run, whose shares stand beside. Without a
    `sample` the processes chose, and it is what they came to."""
    missing = next((str(table["missing"]) for table in tables if table.get("missing")), None)
    functions = [_function(number, recorded, tables, before) for number, recorded in enumerate(plan)]
    found = [function for part in functions for function in part if function.lines]
    unseen = [_name(recorded) for recorded, part in zip(plan, functions, strict=True) if not part]
    uncalled = [
        _name(recorded)
        for recorded, part in zip(plan, functions, strict=True)
        if part and not any(one.lines for one in part)
    ]
    pythons = tuple(sorted({str(table.get("executable")) for table in tables if table.get("missing")}))
    longer = [_took(table, kind) for table in tables for kind in table.get("took", ())]
    return ExactPass(
        run, sample or _in_how_many(tables), tuple(found), tuple(unseen), tuple(uncalled), missing, pythons,
        slowdown=_slowdown([one for one in longer if one]),
    )  # fmt: skip


class _Took(NamedTuple):
    """Batches that were measured and others, and the time of each (ns)."""

    measured: int
    measured_ns: float
    others: int
    others_ns: float

    @property
    def times_longer(self) -> float:
        """How many times as long a measured batch took."""
        return self.measured_ns / self.measured / (self.others_ns / self.others)


def _took(table: Mapping[str, Any], kind: str) -> _Took | None:
    measured_ns, others, others_ns = table.get("took", {}).get(kind, (0, 0, 0))
    found = _Took(table["batches"][kind][0], measured_ns, others, others_ns)
    return found if found.measured and found.others_ns > 0 else None


def _slowdown(found: Sequence[_Took]) -> float | None:
    """Return how much longer all batches took than they would have unmeasured."""
    usual = sum((one.measured + one.others) * one.others_ns / one.others for one in found)
    return max(sum(one.measured_ns + one.others_ns for one in found) / usual, 1.0) if usual > 0 else None


def _in_how_many(tables: Sequence[Mapping[str, Any]]) -> int:
    counts = [batches for table in tables for batches in table.get("batches", {}).values() if batches[0]]
    measured, seen = (sum(int(batches[at]) for batches in counts) for at in (0, 1))
    return max(round(seen / max(measured, 1)), 1)


def _name(recorded: Mapping[str, Any]) -> str:
    place = Path(recorded["file"]).name if recorded.get("file") else recorded.get("module")
    return f"{place}:{recorded['function']}"


def _function(
    number: int, recorded: Mapping[str, Any], tables: Sequence[Mapping[str, Any]], before: Sequence[HotLine]
) -> list[ExactFunction]:
    """Return the measured functions that one requested name means, each by process role."""
    places: dict[tuple[str, int, str, str], list[tuple[Mapping[str, Any], list[Any]]]] = defaultdict(list)
    for table in tables:
        for one in table.get("functions", ()):
            if one["asked"] == number:
                role = "worker" if table.get("worker", -1) >= 0 else "trainer"
                places[one["file"], one["first"], one["name"], role].append((table, one["lines"]))
    return [_added(key, parts, recorded.get("during"), before) for key, parts in places.items()]


def _added(
    key: tuple[str, int, str, str],
    parts: Sequence[tuple[Mapping[str, Any], list[Any]]],
    during: str | None,
    before: Sequence[HotLine],
) -> ExactFunction:
    file, first, name, role = key
    hits: dict[int, int] = defaultdict(int)
    spent: dict[int, int] = defaultdict(int)
    for _, rows in parts:
        for line, count, ns in rows:
            hits[line] += count
            spent[line] += ns
    kinds = (during,) if during else ("fetch", "step")
    # A trainer that loads by itself makes as many batches as it takes; nobody else does both.
    made = [(table, max(kinds, key=lambda kind: table["batches"][kind][1])) for table, rows in parts if rows]
    batches = [table["batches"][kind] for table, kind in made]
    took = [found for table, kind in made if (found := _took(table, kind))]
    sampled = _sampled(file, role, set(hits), before)
    whole = sum(spent.values()) or 1
    lines = tuple(
        ExactLine(line, hits[line], spent[line] / 1e9, spent[line] / whole, sampled.get(line), _source(file, line))
        for line in sorted(hits)
    )
    return ExactFunction(
        file=file,
        line=first,
        name=name,
        process_role="worker" if role == "worker" else "trainer",
        processes=sum(1 for _, rows in parts if rows),
        batches_measured=sum(measured for measured, _ in batches),
        batches=sum(seen for _, seen in batches),
        seconds=sum(spent.values()) / 1e9,
        lines=lines,
        times_longer=statistics.median(one.times_longer for one in took) if took else None,
    )


def _sampled(file: str, role: str, numbers: set[int], before: Sequence[HotLine]) -> dict[int, float]:
    """Return each line's share of the function's samples in the run before; empty where no sample fell in it."""
    weights: dict[int, float] = defaultdict(float)
    for line in before:
        if (line.file, line.process_role) == (file, role) and line.line in numbers and line.activity != "startup":
            weights[line.line] += line.seconds or line.share
    whole = sum(weights.values())
    return {line: weight / whole for line, weight in weights.items()} if whole > 0 else {}


def _source(file: str, line: int) -> str | None:
    return linecache.getline(file, line).rstrip("\n") or None
