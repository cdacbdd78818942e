"""Which lines cost the loader, and which the training's own step: stack samples folded to the user's lines.

Shares are of loader work (everything a worker does except waiting for an index) for worker lines, and of the
training's own code for trainer lines.
"""

from __future__ import annotations

import linecache
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from gpuwatch.analyze.callees import callee
from gpuwatch.analyze.frames import (
    Frame,
    activity_of,
    imports,
    is_library,
    own_line,
    read_frames,
    transform_frame,
)
from gpuwatch.analyze.processes import Processes, shift_of
from gpuwatch.model import HotLine, ProcessLog, StackQuality

_LOADER_WORK = ("fetch", "collate", "serialise")
_BEFORE = ("startup", "importing")
_NO_WORK = ("idle", "wait", "shutdown")
_MOST_LINES = 40
_COMPREHENSION = re.compile(r"(\.<locals>)?\.<(genexpr|listcomp|dictcomp|setcomp)>$")
_ENOUGH, _FEW = 300, 50
Role = Literal["worker", "trainer"]


class Sample(NamedTuple):
    """Some equal samples of one process: the line they stood on and in what activity. Weights are sample counts."""

    role: Role
    activity: str
    file: str
    line: int
    function: str
    callee: str | None
    stack: tuple[str, ...]
    weight: float
    awaited: float
    blocked: float | None


@dataclass(slots=True)
class _Line:
    weight: float = 0.0
    awaited: float = 0.0
    blocked: float | None = None
    functions: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    callees: dict[str | None, float] = field(default_factory=lambda: defaultdict(float))
    stacks: dict[tuple[str, ...], float] = field(default_factory=lambda: defaultdict(float))


@dataclass(frozen=True, slots=True)
class Seconds:
    """Wall time that the sampled shares stand for: loader work of all workers, and the trainer's own code."""

    loader: float
    trainer: float
    evaluation: tuple[tuple[float, float], ...] = ()
    first_batch_ns: float = 0.0
    startup: float = 0.0


def find_hot_lines(processes: Processes, seconds: Seconds) -> tuple[tuple[HotLine, ...], StackQuality]:
    """Return the lines by cost, loader lines first, and who took the samples: who took more speaks alone."""
    bursts = processes.recording.by_writer("stacks")
    stacks = [sample for log in bursts for sample in _burst_samples(processes, log, seconds)]
    ticks = [sample for log in _timed(processes) for sample in _timer_samples(log)]
    samples = stacks if _useful(stacks) >= _useful(ticks) else ticks
    sampler: Literal["py-spy", "timer", "none"] = "none" if not samples else "py-spy" if samples is stacks else "timer"
    lines = [*_lines(samples, "worker", seconds), *_lines(samples, "trainer", seconds)]
    return tuple(lines), _quality(sampler, samples, bursts)


def _useful(samples: list[Sample]) -> float:
    return sum(sample.weight for sample in samples if sample.activity in _LOADER_WORK or sample.activity == "step")


def _burst_samples(processes: Processes, log: ProcessLog, seconds: Seconds) -> Iterator[Sample]:
    roles: dict[int, Role] = {worker.log.pid: "worker" for worker in processes.workers}
    roles |= {trainer.log.pid: "trainer" for trainer in processes.trainers}
    shift = shift_of(log, processes.recording.run)
    made = _transforms_made(processes)
    for row in log.table("stack").dicts():
        role, frames = roles.get(row.get("pid") or 0), read_frames(row.get("frames"))
        if role is None or not frames or not _counts(role, row.get("tid"), frames):
            continue
        middle = ((row.get("t0") or 0) + (row.get("t1") or row.get("t0") or 0)) / 2 + shift
        activity = _placed(activity_of(frames), role, middle, seconds)
        found = None
        if activity not in _NO_WORK:
            found = (transform_frame(frames, made) if activity == "fetch" else None) or own_line(frames)
        frame, below = found or (frames[-1], ())
        # A stack too deep to be kept whole has lost the script's import at its outer end.
        if activity == "startup" and imports(frames if is_library(frame.file) else below):
            activity, below = "importing", ()
        weight = float(row.get("weight") or 0)
        stack = tuple(f"{f.function} ({f.file}:{f.line})" for f in frames)
        awaited = min(float(row.get("main_in_wait") or 0), weight)
        yield Sample(
            role, activity, frame.file, frame.line, frame.function, callee(below), stack, weight, awaited, None
        )


def _transforms_made(processes: Processes) -> dict[str, Frame]:
    """Return where the user's own code makes each library transform, by class; those made in one place only."""
    made: dict[str, set[Frame]] = defaultdict(set)
    for log in (*(worker.log for worker in processes.workers), *(trainer.log for trainer in processes.trainers)):
        for op in log.table("op").dicts():
            if op.get("kind") == "transform" and op.get("file") and not is_library(str(op["file"])):
                name = str(op.get("name")).rpartition(".")[2]
                made[name].add(Frame(str(op.get("function") or "<module>"), str(op["file"]), int(op.get("line") or 0)))
    return {name: next(iter(places)) for name, places in made.items() if len(places) == 1}


def _counts(role: Role, thread: object, frames: tuple[Frame, ...]) -> bool:
    """Leave out helper threads: what they do is not what the loop, or the making of a batch, waits for."""
    return thread in (None, "MainThread") or (role == "worker" and activity_of(frames) == "serialise")


def _placed(activity: str, role: Role, at_ns: float, seconds: Seconds) -> str:
    """Say where a trainer's own code ran: before the first batch, in an evaluation loop, or in a step."""
    if role == "worker":
        return "startup" if activity in ("step", "wait") else activity
    if activity == "step" and at_ns < seconds.first_batch_ns:
        return "startup"
    if activity == "step" and any(start <= at_ns <= end for start, end in seconds.evaluation):
        return "evaluation"
    return activity


def _timed(processes: Processes) -> Iterable[ProcessLog]:
    logs = (*(worker.log for worker in processes.workers), *(trainer.log for trainer in processes.trainers))
    return (log for log in logs if len(log.table("line")))


def _timer_samples(log: ProcessLog) -> Iterator[Sample]:
    """Return the samples of the timer inside the process, which are folded to lines already."""
    in_worker = "worker" in log.tables
    for row in log.table("line").dicts():
        if not row.get("file") or not row.get("ticks"):
            continue
        ticks = float(row["ticks"])
        yield Sample(
            "worker" if in_worker else "trainer",
            _timed_activity(row),
            str(row["file"]),
            int(row.get("line") or 0),
            str(row.get("function") or ""),
            row.get("callee"),
            (),
            ticks,
            min(float(row.get("awaited") or 0), ticks),
            min(float(row.get("blocked") or 0), ticks),
        )


def _timed_activity(row: Mapping[str, Any]) -> str:
    activity = str(row.get("activity") or "step")
    source = linecache.getline(str(row["file"]), int(row.get("line") or 0)).lstrip()
    return "importing" if activity == "startup" and source.startswith(("import ", "from ")) else activity


def _lines(samples: list[Sample], role: Role, seconds: Seconds) -> list[HotLine]:
    """Return the hot lines of a role. The trainer's loading with no workers counts as loader work of the trainer."""
    mine = [s for s in samples if s.role == role and s.activity not in _NO_WORK]
    work = [s for s in mine if s.activity in _LOADER_WORK]
    code = [s for s in mine if s.activity not in (*_LOADER_WORK, *_BEFORE)]
    start = [s for s in mine if s.activity in _BEFORE]
    found = _fold(work, role, seconds.loader) + (_fold(code, role, seconds.trainer) if role == "trainer" else [])
    return (
        sorted(found, key=lambda line: -line.seconds)[:_MOST_LINES]
        + _fold(start, role, seconds.startup if role == "trainer" else 0.0)[:10]
    )


def _fold(samples: list[Sample], role: Role, whole_s: float) -> list[HotLine]:
    lines: dict[tuple[str, int, str], _Line] = defaultdict(_Line)
    for sample in samples:
        line = lines[sample.file, sample.line, sample.activity]
        line.weight += sample.weight
        line.awaited += sample.awaited
        if sample.blocked is not None:
            line.blocked = (line.blocked or 0.0) + sample.blocked
        line.functions[sample.function] += sample.weight
        line.callees[sample.callee] += sample.weight
        line.stacks[sample.stack] += sample.weight
    whole, awaited = sum(line.weight for line in lines.values()), sum(line.awaited for line in lines.values())
    if whole <= 0:
        return []
    found = [_hot_line(key, line, role, whole, awaited, whole_s) for key, line in lines.items()]
    return sorted(found, key=lambda line: -line.share)


def _hot_line(
    key: tuple[str, int, str], line: _Line, role: Role, whole: float, awaited: float, whole_s: float
) -> HotLine:
    file, number, activity = key
    return HotLine(
        file=file,
        line=number,
        function=_enclosing(line.functions),
        process_role=role,
        share=line.weight / whole,
        seconds=line.weight / whole * whole_s,
        waited_share=line.awaited / awaited if awaited > 0 else None,
        activity=activity,
        callee=max(line.callees, key=lambda callee: line.callees[callee]),
        source=linecache.getline(file, number).strip() or None,
        samples=round(line.weight),
        blocked_share=None if line.blocked is None else line.blocked / line.weight,
        stack=max(line.stacks, key=lambda stack: line.stacks[stack]),
    )


def _enclosing(functions: dict[str, float]) -> str:
    """Return the function a line stands in; the comprehensions on it are no functions to a person."""
    weights: dict[str, float] = defaultdict(float)
    for name, weight in functions.items():
        weights[_COMPREHENSION.sub("", name) or name] += weight
    named = [name for name in weights if not name.endswith(">")]
    return max(named or weights, key=lambda name: weights[name])


def _quality(
    sampler: Literal["py-spy", "timer", "none"], samples: list[Sample], bursts: list[ProcessLog]
) -> StackQuality:
    notes = [
        str(row["note"])
        for log in bursts
        for row in log.table("burst").dicts()
        if row.get("note") and not row.get("ok")
    ]
    count = int(sum(sample.weight for sample in samples if sample.activity not in _NO_WORK))
    if sampler == "none":
        return StackQuality("none", 0, "none", notes[-1] if notes else "no stack samples were taken")
    trust: Literal["high", "medium", "low"] = (
        "low" if count < _FEW else "medium" if count < _ENOUGH or sampler == "timer" else "high"
    )
    who = "py-spy bursts" if sampler == "py-spy" else "the timer inside the workers"
    return StackQuality(sampler, count, trust, f"{count} samples by {who}" + (f"; {notes[-1]}" if notes else ""))
