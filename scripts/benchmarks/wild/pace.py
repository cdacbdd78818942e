"""From the stamps of one run to its pace: how long a step takes, how much of it is waiting, how long the loop was."""

from __future__ import annotations

import json
import statistics
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

# An iterator trains when at least one of this many of its batches is followed by an update.
ACCUMULATED = 64
# A pass of fewer batches is judged by its last one too.
TELLING = 3
WARM_STEPS = 2
PREFETCHED = 2


@dataclass(frozen=True, slots=True)
class Pace:
    """What the stamps of a run tell. Seconds.

    `loop_s`: from the making of the first training iterator to the last training event. `step_s`: mean time from one
    batch handed over to the next, without the first ones of each pass and without what another iterator lies in;
    `wait_share`: how much of that was asking. `epoch_s`: per pass, from the making of its iterator to its end, with the
    loader's start-up. `training`: which iterators train, by their order. None where there is nothing to tell from.
    """

    loop_s: float
    steps: int
    step_s: float | None
    wait_share: float | None
    epoch_s: tuple[float, ...] = ()
    training: tuple[int, ...] = ()
    start_s: float | None = None
    batches: int = 0
    workers: int | None = None


@dataclass(slots=True)
class Pass:
    """One pass of one iterator: when it was made, and when it was asked and answered."""

    number: int
    workers: int
    made: int
    batches: list[tuple[int, int]] = field(default_factory=list)
    ended: int | None = None


def read(folder: Path, pace: str, began_ns: int | None = None, alone: int | None = None) -> Pace | None:
    """Return the pace of the process that trained, of all that left stamps; None when none did.

    `alone` is the one iterator that was drained without a training."""
    events = [_events(file) for file in sorted(folder.glob("*.jsonl"))]
    if alone is not None:
        return next((told for told in (_loader_alone(each, alone) for each in events) if told), None)
    told = [found for found in (of_events(each, pace, began_ns) for each in events) if found]
    return max(told, key=lambda found: found.steps, default=None)


def _events(file: Path) -> list[list[Any]]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.endswith("]")]


def of_events(events: list[list[Any]], pace: str, began_ns: int | None = None) -> Pace | None:
    """Return the pace that one process's events tell."""
    updates = sorted(event[1] for event in events if event[0] == "o") or sorted(
        event[1] for event in events if event[0] == "k"
    )
    passes = _passes(events)
    training = _training(passes, updates)
    if pace == "steps" or not training:
        return _by_updates(updates, began_ns)
    first = min(each.made for each in training)
    last = max([_end(each) for each in training] + [time for time in updates if time >= first])
    steady = [interval for each in training for interval in _steady(each, passes)]
    whole = sum(whole for whole, _ in steady)
    return Pace(
        loop_s=(last - first) / 1e9,
        steps=sum(len(each.batches) for each in training),
        step_s=whole / len(steady) / 1e9 if steady else None,
        wait_share=sum(wait for _, wait in steady) / whole if whole else None,
        epoch_s=tuple((_end(each) - each.made) / 1e9 for each in training),
        training=tuple(each.number for each in training),
        start_s=(first - began_ns) / 1e9 if began_ns is not None else None,
        batches=round(statistics.median(len(each.batches) for each in training)),
        workers=training[0].workers,
    )


def _passes(events: Iterable[list[Any]]) -> list[Pass]:
    passes: dict[int, Pass] = {}
    for event in events:
        if event[0] == "i":
            passes[event[1]] = Pass(event[1], event[2], event[3])
        elif event[0] == "b" and event[1] in passes:
            passes[event[1]].batches.append((event[2], event[3]))
        elif event[0] == "e" and event[1] in passes:
            passes[event[1]].ended = event[2]
    return [each for each in passes.values() if each.batches]


def _training(passes: list[Pass], updates: list[int]) -> list[Pass]:
    """Return the passes between whose batches updates are; an update belongs to the batch before it.

    Not what follows a pass's last batch: after an evaluation in the middle of an epoch the training goes on."""
    handed = sorted((got, each.number, got == each.batches[-1][1]) for each in passes for _, got in each.batches)
    times = [got for got, _, _ in handed]
    owners = [handed[at - 1] for at in (bisect_right(times, update) for update in updates) if at]
    between = Counter(number for _, number, last in owners if not last)
    after = Counter(number for _, number, _ in owners)
    counted = {each.number: (between if len(each.batches) >= TELLING else after)[each.number] for each in passes}
    return [each for each in passes if counted[each.number] * ACCUMULATED >= len(each.batches)]


def _end(each: Pass) -> int:
    return each.ended if each.ended is not None else each.batches[-1][1]


def _steady(each: Pass, passes: list[Pass]) -> list[tuple[int, int]]:
    """Return (from batch to batch, of which waiting) of a pass without its first batches, which workers made ahead."""
    others = sorted(got for other in passes if other is not each for _, got in other.batches)
    skipped = min(max(WARM_STEPS, PREFETCHED * each.workers), len(each.batches) // 3)
    kept = each.batches[skipped:]
    return [
        (got - before, got - asked)
        for (_, before), (asked, got) in pairwise(kept)
        if bisect_right(others, got) == bisect_right(others, before)
    ]


def _by_updates(updates: list[int], began_ns: int | None) -> Pace | None:
    if len(updates) < 3:
        return None
    first, last = updates[0], updates[-1]
    kept = updates[min(WARM_STEPS, len(updates) // 3) :]
    step_s = (kept[-1] - kept[0]) / (len(kept) - 1) / 1e9
    start_s = (first - began_ns) / 1e9 if began_ns is not None else None
    return Pace((last - first) / 1e9, len(updates), step_s, None, start_s=start_s)


def _loader_alone(events: list[list[Any]], number: int) -> Pace | None:
    passes = [each for each in _passes(events) if each.number == number]
    if not passes:
        return None
    each = passes[0]
    skipped = min(max(WARM_STEPS, PREFETCHED * each.workers), len(each.batches) // 3)
    kept = each.batches[skipped:]
    if len(kept) < 2:
        return None
    step_s = (kept[-1][1] - kept[0][1]) / (len(kept) - 1) / 1e9
    loop_s = (each.batches[-1][1] - each.made) / 1e9
    return Pace(loop_s, len(each.batches), step_s, 1.0, batches=len(each.batches), workers=each.workers)
