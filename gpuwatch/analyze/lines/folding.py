"""Stack samples folded to the user's lines: which cost the loader, and which the training's own step.

Shares are of loader work (everything a worker does except waiting for an index) for worker lines, and of the
training's own code for trainer lines; of lines before the first batch they are of the time until then, part of which
was not sampled.
"""

from __future__ import annotations

import linecache
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import field, replace
from typing import Literal

from gpuwatch.analyze.lines.bursts import burst_samples
from gpuwatch.analyze.lines.feeding import OwnLoop, find_feed
from gpuwatch.analyze.lines.frames import Frame
from gpuwatch.analyze.lines.loop_lines import LoopRoles
from gpuwatch.analyze.lines.model_calls import IN_MODEL
from gpuwatch.analyze.lines.moments import Moments
from gpuwatch.analyze.lines.samples import BEFORE, LOADER_WORK, NO_WORK, Role, Sample, is_of_step
from gpuwatch.analyze.lines.statements import called_at
from gpuwatch.analyze.lines.step_parts import StepParts, place_in_steps
from gpuwatch.analyze.lines.ticks import timer_samples
from gpuwatch.analyze.lines.tool_frames import tool_of
from gpuwatch.analyze.processes.sorting import Processes
from gpuwatch.model.hot_lines import Callee, HotLine, StackQuality, Tool
from gpuwatch.model.measures import Place
from gpuwatch.model.recording import ProcessLog
from gpuwatch.records import dataclass

_MOST_LINES = 40
_MOST_STARTUP, _BETWEEN = 10, "between loops"
_COMPREHENSION = re.compile(r"(\.<locals>)?\.<(genexpr|listcomp|dictcomp|setcomp)>$")
_ENOUGH, _FEW = 300, 50
# With fewer samples in one half of the run, nothing is said of what grew.
_FEW_IN_HALF = 15
# Of a smaller line the source is not read for what it calls.
_WORTH_READING = 0.02


@dataclass(slots=True)
class _Line:
    weight: float = 0.0
    seconds: float = 0.0
    awaited: float = 0.0
    model: float = 0.0
    late: float | None = None
    tools: dict[Tool, float] = field(default_factory=lambda: defaultdict(float))
    blocked: float | None = None
    functions: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    callbacks: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    called: dict[tuple[Callee | None, str | None], float] = field(default_factory=lambda: defaultdict(float))
    belows: dict[tuple[Frame | None, Callee | None], float] = field(default_factory=lambda: defaultdict(float))
    stacks: dict[tuple[Frame, ...], float] = field(default_factory=lambda: defaultdict(float))


@dataclass(frozen=True, slots=True)
class Seconds:
    """Wall time that the sampled shares stand for: loader work of all workers, the trainers' own code in their loops
    and between them. `moments`: what each trainer was about when, by its pid. `own_loops`: the trainers whose loops are
    not over a DataLoader."""

    loader: float
    trainer: float
    between: float
    moments: Mapping[int, Moments]
    own_loops: Mapping[int, OwnLoop] = field(default_factory=dict)


def fold_samples(
    processes: Processes, seconds: Seconds, loops: LoopRoles
) -> tuple[tuple[HotLine, ...], StackQuality, Mapping[int, StepParts]]:
    """Return the lines by cost, loader lines first, who took the samples, and what they say of each trainer's steps.

    Only the samples of the one that took more are used."""
    bursts = processes.recording.by_writer("stacks")
    stacks = [sample for log in bursts for sample in burst_samples(processes, log, seconds.moments, loops)]
    ticks = list(timer_samples(processes, seconds.moments))
    samples = stacks if _useful(stacks) >= _useful(ticks) else ticks
    sampler: Literal["py-spy", "timer", "none"] = "none" if not samples else "py-spy" if samples is stacks else "timer"
    settled, parts = place_in_steps(samples)
    for pid, about in seconds.own_loops.items():
        settled = _with_feed(settled, pid, about, parts)
    lines = [*_lines(settled, "worker", seconds), *_lines(settled, "trainer", seconds)]
    return tuple(lines), _quality(sampler, samples, bursts), parts


def _with_feed(samples: list[Sample], pid: int, about: OwnLoop, parts: Mapping[int, StepParts]) -> list[Sample]:
    """Return the samples with those of one trainer named that get its loop's next batch; their share goes to its parts."""
    mine = [
        i for i, one in enumerate(samples) if one.pid == pid and one.role == "trainer" and one.stack and is_of_step(one)
    ]
    activities, feed = find_feed([samples[i] for i in mine], about)
    if pid in parts:
        parts[pid].feed = feed
    named = dict(zip(mine, activities, strict=True))
    return [one._replace(activity=named.get(i, one.activity)) for i, one in enumerate(samples)]


def _useful(samples: list[Sample]) -> float:
    return sum(sample.weight for sample in samples if sample.activity not in (*NO_WORK, *BEFORE))


def _lines(samples: list[Sample], role: Role, seconds: Seconds) -> list[HotLine]:
    """Return the hot lines of a role. The trainer's loading with no workers counts as loader work of the trainer."""
    mine = [s for s in samples if s.role == role and s.activity not in NO_WORK]
    work = [s for s in mine if s.activity in LOADER_WORK]
    code = [s for s in mine if s.activity not in (*LOADER_WORK, *BEFORE, _BETWEEN)]
    found = _fold(work, role, seconds.loader)
    if role == "trainer":
        found += _fold(code, role, seconds.trainer)
        found += _fold([s for s in mine if s.activity == _BETWEEN], role, seconds.between)
    return sorted(found, key=lambda line: -line.seconds)[:_MOST_LINES] + _startup(mine, role, seconds)


def _startup(samples: list[Sample], role: Role, seconds: Seconds) -> list[HotLine]:
    """Return the lines before the first batch. A trainer's are of all that time: what was not sampled belongs to no line."""
    start = [s for s in samples if s.activity in BEFORE]
    whole = sum(seconds.moments[pid].startup_s for pid in {s.pid for s in start} & seconds.moments.keys())
    return _fold(start, role, whole if role == "trainer" else 0.0, timed=whole > 0)[:_MOST_STARTUP]


def _fold(samples: list[Sample], role: Role, whole_s: float, timed: bool = False) -> list[HotLine]:
    """Return a line for each place and activity. `timed`: shares are of `whole_s`, else of what was sampled."""
    lines: dict[tuple[str, int, str], _Line] = defaultdict(_Line)
    for sample in samples:
        line = lines[sample.file, sample.line, sample.activity]
        line.weight += sample.weight
        line.seconds += sample.seconds
        line.awaited += sample.awaited
        line.model += sample.weight if sample.part in IN_MODEL else 0.0
        if sample.late is not None:
            line.late = (line.late or 0.0) + sample.late
        tool = tool_of(sample.stack) if role == "trainer" else None
        if tool is not None:
            line.tools[tool] += sample.weight
        if sample.callback:
            line.callbacks[sample.callback] += sample.weight
        if sample.blocked is not None:
            line.blocked = (line.blocked or 0.0) + sample.blocked
        line.functions[sample.function] += sample.weight
        line.called[sample.callee, sample.makes] += sample.weight
        line.belows[sample.below, sample.below_callee] += sample.weight
        line.stacks[sample.stack] += sample.weight
    whole, awaited = sum(line.weight for line in lines.values()), sum(line.awaited for line in lines.values())
    if whole <= 0:
        return []
    seen = sum(line.seconds for line in lines.values())
    late = sum(line.late or 0.0 for line in lines.values())
    found = []
    for key, line in lines.items():
        share = line.seconds / max(whole_s, seen) if timed else line.weight / whole
        waited = line.awaited / awaited if awaited > 0 else None
        halves = _halves(line, whole, late)
        found.append(replace(_hot_line(key, line, role, share, share * whole_s, waited), halves=halves))
    return sorted(found, key=lambda line: -line.share)


def _halves(line: _Line, whole: float, late: float) -> tuple[float, float] | None:
    """Return a line's share of the samples in the first and in the second half of the loops; None with few of either."""
    if line.late is None or min(late, whole - late) < _FEW_IN_HALF:
        return None
    return (line.weight - line.late) / (whole - late), line.late / late


def _hot_line(
    key: tuple[str, int, str], line: _Line, role: Role, share: float, seconds: float, waited: float | None
) -> HotLine:
    file, number, activity = key
    called, makes = max(line.called, key=lambda called: line.called[called])
    source = linecache.getline(file, number).strip() or None
    below, below_callee = max(line.belows, key=lambda below: line.belows[below])
    stack = max(line.stacks, key=lambda stack: line.stacks[stack])
    return HotLine(
        file=file,
        line=number,
        function=_enclosing(line.functions),
        process_role=role,
        share=share,
        seconds=seconds,
        waited_share=waited,
        activity=activity,
        callee=called,
        source=source,
        samples=round(line.weight),
        blocked_share=None if line.blocked is None else line.blocked / line.weight,
        stack=tuple(Place(frame.file, frame.line, frame.function) for frame in stack),
        makes=makes,
        below=Place(below.file, below.line, below.function) if below else None,
        below_callee=below_callee or _compiled(file, number, share, called, stack),
        sleeps="sleep(" in (source or ""),
        model_share=line.model / line.weight if stack else None,
        tools=tuple((tool, weight / line.weight) for tool, weight in line.tools.items()),
        callback=max(line.callbacks, key=lambda name: line.callbacks[name], default=None),
    )


def _compiled(file: str, number: int, share: float, called: Callee | None, stack: tuple[Frame, ...]) -> Callee | None:
    """Return the compiled function that the innermost line calls: it has no frame, only the line's text names it."""
    if share < _WORTH_READING:
        return None
    if stack:
        return called_at(stack[-1].file, stack[-1].line)
    return called_at(file, number) if called is None else None


def _enclosing(functions: dict[str, float]) -> str:
    """Return the function that contains a line; the comprehensions on it are no functions to a person."""
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
    count = int(_useful(samples) or sum(sample.weight for sample in samples if sample.activity not in NO_WORK))
    if sampler == "none":
        return StackQuality("none", 0, "none", notes[-1] if notes else "no stack samples were taken")
    trust: Literal["high", "medium", "low"] = (
        "low" if count < _FEW else "medium" if count < _ENOUGH or sampler == "timer" else "high"
    )
    who = "py-spy bursts" if sampler == "py-spy" else "the timer inside the workers"
    return StackQuality(sampler, count, trust, f"{count} samples by {who}" + (f"; {notes[-1]}" if notes else ""))
