"""Engines that make the batches in processes of their own, which the hook does not enter, known by the trainer's stacks."""

from __future__ import annotations

from collections.abc import Iterable

from gpuwatch.analyze.lines.waiting import waits_for_others
from gpuwatch.model.hot_lines import HotLine
from gpuwatch.records import dataclass
from gpuwatch.words.source_code import is_library, package_of

# A line with this share of its process's work is what the loop waits in.
WAITED_SHARE = 0.2


@dataclass(frozen=True)
class Engine:
    """What makes the batches, where, what shows its parts, and how its start is saved."""

    name: str
    processes: str
    shown_by: str
    start: str


# By the package whose functions the trainer's stack shows.
ENGINES = {
    "ray": Engine(
        "Ray Data",
        "Ray's workers",
        "`print(ds.stats())` after a pass names the operator that takes the time",
        "Keep a Ray cluster running (`ray start --head`) and connect to it (`ray.init(address='auto')`)",
    ),
}


def engine_of(line: HotLine | None) -> Engine | None:
    """Return the engine that a line's stack goes into; None for any other line."""
    packages = (package_of(place.file) for place in line.stack if is_library(place.file)) if line else ()
    return next((ENGINES[package] for package in packages if package in ENGINES), None)


def waited_for(lines: Iterable[HotLine]) -> dict[Engine, HotLine]:
    """Return the engines that a trainer's loop waits for, each with the line that asks it."""
    waiting = [
        line
        for line in lines
        if line.process_role == "trainer" and line.share >= WAITED_SHARE
        if line.activity in ("fetch", "step", "long step") and waits_for_others(line.stack)
    ]
    return {engine: line for line in reversed(waiting) if (engine := engine_of(line)) is not None}


def engine_problems(lines: Iterable[HotLine]) -> tuple[str, ...]:
    """Return the sentence that says what of the input was not seen, where the loop waits for an engine's processes."""
    return tuple(
        f"{e.name} makes the batches in {e.processes}, which gpuwatch does not enter: {e.shown_by}"
        for e in waited_for(lines)
    )
