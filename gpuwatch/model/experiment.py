"""What `gpuwatch try` measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gpuwatch.model.measures import Interval


@dataclass(frozen=True, slots=True)
class Trial:
    """One experiment's result: `before` and `after` in `unit`, `ratio` = before / after time.

    What was not measured is None, and `note` says why."""

    id: str
    remedy: str
    finding: str | None
    before: Interval | None
    after: Interval | None
    unit: str
    ratio: Interval | None
    verdict: Literal["helps", "no difference", "hurts", "inconclusive", "failed"]
    outputs: str
    edit: str | None
    predicted: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Throughput (batches per second) of the loop and of its two halves alone, at one number of cores.

    `device`: the same cached batches again and again; `loader`: batches taken without the loop. `limit` is the lower
    of the two."""

    cores: int
    end_to_end: Interval
    device: Interval
    loader: Interval
    limit: Literal["device", "loader", "balanced"]


@dataclass(frozen=True, slots=True)
class LoaderTrial:
    """One setting of a loader sweep: batches per second of the loader alone and, if measured, of the whole loop."""

    workers: int
    prefetch: int | None
    threads: int | None
    loader_rate: float | None
    loop_rate: Interval | None
    startup_s: float | None
    memory_per_worker_bytes: float | None
    knee: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Experiment:
    """What `gpuwatch try` measured on one command. `balance_cores`: at which loader and device would be even."""

    id: str
    command: tuple[str, ...]
    started_wall_ns: int
    seconds: float
    trials: tuple[Trial, ...] = ()
    ceilings: tuple[Ceiling, ...] = ()
    sweep: tuple[LoaderTrial, ...] = ()
    balance_cores: float | None = None
    edit: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PredictionScore:
    """How far predicted speed-ups were from those measured by experiments: median of |measured / predicted - 1|."""

    median_error: float
    trials: int
