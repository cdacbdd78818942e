"""What a run's own windows of torch.profiler show: a few steps of it, operator by operator."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from gpuwatch.model.gpu_time import GpuTime
from gpuwatch.model.measures import INTERNAL, Place
from gpuwatch.records import dataclass

# Why a run that was asked for windows has none: the script has a profiler of its own, a tool is injected, a daemon traces,
# torch.profiler failed, the process was killed in the window, or ended before one was due.
NoWindow = Literal["profiler", "injection", "daemon", "failed", "killed", "ended before"]


@dataclass(frozen=True, slots=True)
class OperatorTime:
    """An operator's own time on the host in a part of a step, without what it calls. `ms` and `calls` per step; `share`
    of the part."""

    name: str
    ms: float
    share: float
    calls: float


@dataclass(frozen=True, slots=True)
class TracedPart:
    """A part of the traced steps: what its operators take on the host per step, the costliest ones first."""

    part: Literal["input", "forward", "backward", "optimizer"]
    ms: float
    operators: tuple[OperatorTime, ...]


@dataclass(frozen=True, slots=True)
class LateBatch:
    """A gap of a device in which the host waited for its batch: what the worker that owed it did. `worker` is -1 where the
    training process makes its own. `at_s`: when the gap began, in seconds of the run; `doing`: making this batch, making an
    earlier one, handing it over, or unknown; `operation`: the costliest one of what it was making."""

    at_s: float
    gap_ms: float
    device: int
    batch: int
    worker: int
    doing: Literal["making it", "making another", "handing it over", "unknown"]
    making_ms: float | None = None
    operation: str | None = None
    operation_ms: float | None = None
    where: Place | None = None


@dataclass(frozen=True, slots=True)
class TracedWindow:
    """One window. `start_s`, `seconds`: with what opening and closing it took; `step_ms`: the traced step, `usual_ms` the
    steps outside; `activities`: what was recorded, CPU first; `ended_by`: steps | loop | other loop | fork | profiler |
    exit | silence; `lost`: what the trace lacks, for a person."""

    rank: int
    pid: int
    start_s: float
    seconds: float
    steps: int
    step_ms: float | None
    usual_ms: float | None
    activities: tuple[str, ...]
    ended_by: str
    file: str
    parts: tuple[TracedPart, ...] = ()
    devices: tuple[GpuTime, ...] = ()
    late: tuple[LateBatch, ...] = ()
    lost: tuple[str, ...] = ()
    # What to add to a time in the file, in microseconds, to have it in those of the run.
    clock_us: float | None = field(default=None, metadata=INTERNAL)


@dataclass(frozen=True, slots=True)
class TracedWindows:
    """The windows that a run was asked for. `cost_s`: what they took, in opening, closing and slower steps; `missing`: why
    there is none, or no further one, `detail` with the profiler's own words."""

    asked: str
    windows: tuple[TracedWindow, ...]
    cost_s: float
    missing: NoWindow | None = None
    detail: str | None = None
