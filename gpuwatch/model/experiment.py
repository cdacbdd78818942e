"""What `gpuwatch try` measured."""

from __future__ import annotations

from typing import Literal

from gpuwatch.model.measures import Interval
from gpuwatch.records import dataclass

# The id of the trial of a whole patch.
PATCH = "patch"


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
class LeftOut:
    """A remedy that helps alone and is no part of the answer. `reason`: it does the work of `beside`; it adds nothing to
    `beside`; it would repeat random draws; there was no time to measure it together with `beside`."""

    remedy: str
    reason: Literal["alternative", "adds nothing", "freezes draws", "not measured together"]
    beside: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What to change: the remedies that help, measured as one change; `edits` in their order. `predicted`: by the
    throughput model for all of them; null where it has no term for one."""

    remedies: tuple[str, ...]
    before: Interval | None
    after: Interval | None
    unit: str
    ratio: Interval
    outputs: str
    predicted: float | None = None
    edits: tuple[str | None, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True)
class Unpatched:
    """A remedy of the answer that no patch makes, and why."""

    remedy: str
    why: str


@dataclass(frozen=True, slots=True)
class PatchFile:
    """The answer as a unified diff of the files below `root`; `file` is null when no remedy could be made a patch."""

    file: str | None
    root: str
    remedies: tuple[str, ...] = ()
    missing: tuple[Unpatched, ...] = ()


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
    answer: Answer | None = None
    patch: PatchFile | None = None


@dataclass(frozen=True, slots=True)
class PredictionScore:
    """How far predicted speed-ups were from those measured by experiments: median of |measured / predicted - 1|."""

    median_error: float
    trials: int
