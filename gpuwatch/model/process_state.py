"""What a training process was set to while its loop ran, and what it counted: read a few times, not sampled."""

from __future__ import annotations

from gpuwatch.model.measures import Place
from gpuwatch.records import dataclass


@dataclass(frozen=True, slots=True)
class Switch:
    """Something that only a search for an error, or a measurement, needs, and that was on: at `seen` of `readings`, and
    `late`: also at one of the second half of them. `detail`: what of it; `where`: the user's line that alone mentions it."""

    name: str
    detail: str | None
    where: Place | None
    seen: int
    readings: int
    late: bool


@dataclass(frozen=True, slots=True)
class AskedCollections:
    """Garbage collections that one line of the user's asked for, in the trainer or in its workers together."""

    where: Place | None
    count: int
    seconds: float
    in_workers: bool


@dataclass(frozen=True, slots=True)
class Compilations:
    """What torch's compiler did: `before` and `later` count compilations before and after the warm-up, which ended with
    the reading that `window_s` begins with; `seconds`: of the later ones.

    `most`: of one frame, `limit`: after so many it runs as plain Python. `frame`, `name`: the one that was compiled most
    of late; `reason`: the guard that failed, `guarded`: what it compares; `assigned`: the only line that changes that."""

    before: int
    later: int
    seconds: float | None
    window_s: float
    most: int
    limit: int | None
    frame: Place | None = None
    name: str | None = None
    reason: str | None = None
    guarded: str | None = None
    assigned: Place | None = None


@dataclass(frozen=True, slots=True)
class Updated:
    """What an optimizer updates: its class, and the device, number and elements of its tensors."""

    optimizer: str
    device: str | None
    tensors: int
    elements: int


@dataclass(frozen=True, slots=True)
class ProcessState:
    """The state of the primary loop's training process. `hooks_per_step`: handles of hooks that were made in each of the
    loop's steps, `hooks_where`: the only line that does so. `threads_where`: the only line that sets their number."""

    readings: int
    switches: tuple[Switch, ...] = ()
    collections: tuple[AskedCollections, ...] = ()
    compilations: Compilations | None = None
    updated: Updated | None = None
    torch_threads: int | None = None
    threads_where: Place | None = None
    omp_threads: int | None = None
    hooks_per_step: float | None = None
    hooks_where: Place | None = None
    switch_interval_s: float | None = None
    flushes_denormals: bool | None = None
    deterministic: bool | None = None
    cudnn_benchmark: bool | None = None
    matmul_precision: str | None = None
