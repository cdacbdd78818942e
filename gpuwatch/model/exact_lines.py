"""What `gpuwatch lines --exact` measured with line_profiler."""

from __future__ import annotations

from typing import Literal

from gpuwatch.records import dataclass


@dataclass(frozen=True, slots=True)
class ExactLine:
    """A line as line_profiler timed it. `share` is of its function; so is `sampled_share`, from the run before."""

    line: int
    hits: int
    seconds: float
    share: float
    sampled_share: float | None
    source: str | None


@dataclass(frozen=True, slots=True)
class ExactFunction:
    """A function timed line by line in `batches_measured` of the `batches` that its processes made or took; these took
    `times_longer` than the others."""

    file: str
    line: int
    name: str
    process_role: Literal["worker", "trainer"]
    processes: int
    batches_measured: int
    batches: int
    seconds: float
    lines: tuple[ExactLine, ...]
    times_longer: float | None = None


@dataclass(frozen=True, slots=True)
class ExactPass:
    """What an exact pass found, of one batch in `sample`. `slowdown`: how much longer the measured processes' batches
    took altogether for it (1.1: a tenth), None when too few tell. `unseen`: functions that were not found; `uncalled`: found, but not called in a
    measured batch. `missing`: why line_profiler could not be used, in the Pythons `pythons`."""

    run: str
    sample: int
    functions: tuple[ExactFunction, ...]
    unseen: tuple[str, ...] = ()
    uncalled: tuple[str, ...] = ()
    missing: str | None = None
    pythons: tuple[str, ...] = ()
    slowdown: float | None = None
