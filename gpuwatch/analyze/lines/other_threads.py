"""The Python threads of each trainer beside its main one: what they used, how often they held the interpreter lock, and
which line of the user's they were at."""

from __future__ import annotations

import linecache
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any, Literal

from gpuwatch.analyze.choices import pool_line
from gpuwatch.analyze.lines.bursts import read_stacks
from gpuwatch.analyze.lines.frames import Frame, own_line
from gpuwatch.analyze.lines.statements import statement_line
from gpuwatch.analyze.processes.sites import started_program
from gpuwatch.analyze.processes.sorting import Processes
from gpuwatch.model.measures import Place
from gpuwatch.model.recording import ProcessLog
from gpuwatch.model.threads import Line, OtherThreads, TrainerThreads
from gpuwatch.records import dataclass
from gpuwatch.words.source_code import hands_over, is_library

_MAIN, _STARTUP = "MainThread", "startup"
# Threads of less than this are no use to a person.
_LEAST = 0.02
_PINNING = "_pin_memory_loop"
# What makes a pool of threads, and the files whose threads belong to one.
_POOLS = frozenset(("ThreadPoolExecutor", "ThreadPool"))
_POOL_FILES = ("concurrent/futures/thread.py", "multiprocessing/pool.py")
Stacks = Sequence[tuple[tuple[Frame, ...], int]]


@dataclass(slots=True)
class _Group:
    """Threads that run the same function, over all bursts."""

    labels: set[str] = field(default_factory=set)
    cpu_ns: float = 0.0
    held: list[float] = field(default_factory=list)
    stacks: list[tuple[tuple[Frame, ...], int]] = field(default_factory=list)


def trainer_threads(processes: Processes, in_startup: bool = False) -> tuple[TrainerThreads, ...]:
    """Return the threads of each trainer that was looked at; none of a recording that did not keep them. `in_startup`: no
    event tells of a loop, so that all of it seems to be a start-up."""
    found = []
    for trainer in processes.trainers:
        for log in processes.recording.by_writer("stacks"):
            if rows := _rows(log, trainer.log.pid, in_startup):
                program = started_program(trainer.log)
                found.append(_threads(processes, log, rows, trainer.rank, program))
    return tuple(found)


def _rows(log: ProcessLog, pid: int, in_startup: bool) -> list[dict[str, Any]]:
    """Return what was read of a process's threads while its loop ran."""
    begun = {row.get("t0") for row in log.table("burst").dicts() if in_startup or row.get("why") != _STARTUP}
    return [row for row in log.table("thread").dicts() if row.get("pid") == pid and row.get("t0") in begun]


def _threads(
    processes: Processes,
    log: ProcessLog,
    rows: Sequence[Mapping[str, Any]],
    rank: int,
    program: str | None,
) -> TrainerThreads:
    spans = {row["t0"]: max(float(row["t1"]) - float(row["t0"]), 1.0) for row in rows}
    wall, pid = sum(spans.values()), rows[0]["pid"]
    stacks: dict[str, list[tuple[tuple[Frame, ...], int]]] = defaultdict(list)
    for row, frames in read_stacks(log, processes):
        if row.get("pid") == pid and row.get("t0") in spans:
            stacks[str(row.get("tid"))].append((frames, int(row.get("weight") or 0)))
    samples = max(sum(weight for _, weight in stacks[_MAIN]), 1)
    main = [row for row in rows if row["thread"] == _MAIN]
    others = _grouped([row for row in rows if row["thread"] != _MAIN], stacks)
    files = {frame.file for found in stacks.values() for frames, _ in found for frame in frames}
    described = (_described(name, group, wall, samples, len(spans), program, files) for name, group in others.items())
    return TrainerThreads(
        rank,
        sum(float(row["cpu_ns"] or 0) for row in main) / wall,
        sum(float(row["delay_ns"] or 0) for row in main) / wall,
        tuple(sorted((one for one in described if one is not None), key=lambda one: -one.lock)),
    )


def _grouped(rows: Iterable[Mapping[str, Any]], stacks: Mapping[str, Stacks]) -> Mapping[str, _Group]:
    groups: dict[str, _Group] = defaultdict(_Group)
    for row in rows:
        label = str(row["thread"])
        group = groups[_runs(label, stacks.get(label, ()))]
        group.cpu_ns += float(row["cpu_ns"] or 0)
        if row.get("held") is not None:
            group.held.append(float(row["held"]))
        if label not in group.labels:
            group.labels.add(label)
            group.stacks.extend(stacks.get(label, ()))
    return groups


def _runs(label: str, stacks: Stacks) -> str:
    """Return the function that a thread was started to run; the name of one that no sample met at work."""
    counted: Counter[str] = Counter()
    for frames, weight in stacks:
        first = next((frame for frame in frames if not is_library(frame.file)), None)
        first = first or next((frame for frame in frames if not frame.file.endswith("threading.py")), None)
        counted[first.function if first else label] += weight
    return counted.most_common(1)[0][0] if counted else label


def _described(
    name: str,
    group: _Group,
    wall: float,
    samples: int,
    bursts: int,
    program: str | None,
    files: Iterable[str],
) -> OtherThreads | None:
    cores = group.cpu_ns / wall
    held = min(sum(group.held) / bursts, 1.0) if group.held else None
    if max(cores, held or 0.0) < _LEAST:
        return None
    pooled = _is_pooled(group.stacks)
    at_work = [(frames, weight) for frames, weight in group.stacks if not hands_over(frames[-1].file)]
    return OtherThreads(
        name=name,
        count=len(group.labels),
        cores=cores,
        held=held,
        at_work=sum(weight for _, weight in at_work) / samples,
        makes=_makes(group.stacks),
        line=_line(at_work, program),
        pooled=pooled,
        pool=pool_line([file for file in set(files) if not is_library(file)], _POOLS) if pooled else None,
    )


def _makes(stacks: Stacks) -> Literal["batches", "pinned memory", "nothing"]:
    functions = {frame.name for frames, _ in stacks for frame in frames if frame.is_torch_data}
    if _PINNING in functions:
        return "pinned memory"
    return "batches" if "fetch" in functions else "nothing"


def _line(stacks: Stacks, program: str | None) -> Line | None:
    """Return the user's line that threads are at most often."""
    counted: Counter[tuple[str, int, str]] = Counter()
    for frames, weight in stacks:
        found = own_line(frames, program)
        if found is not None and not is_library(found[0].file):
            frame = found[0]
            counted[frame.file, statement_line(frame.file, frame.line), frame.function] += weight
    if not counted:
        return None
    (file, number, function), _ = counted.most_common(1)[0]
    return _with_source(file, number, function)


def _with_source(file: str, number: int, function: str) -> Line:
    return Line(Place(file, number, function), linecache.getline(file, number).strip() or None)


def _is_pooled(stacks: Stacks) -> bool:
    return any(frame.file.endswith(_POOL_FILES) for frames, _ in stacks for frame in frames[:6])
