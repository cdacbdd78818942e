"""What was derived of a loader's worker processes, each for itself: shares of the epoch, content, cores, what they keep."""

from __future__ import annotations

from gpuwatch.model.measures import Place
from gpuwatch.records import dataclass


@dataclass(frozen=True, slots=True)
class Kept:
    """What the dataset keeps of its samples in a worker: `kind` dict, slots (of a list), lru_cache, or a list that only grows.

    `grown`: entries that all workers together add per epoch, a mean; `epochs`: in how many it grew from what it was before
    the first; `cost_ratio`: time to make a batch in later epochs over that in the first."""

    name: str
    kind: str
    grown: float
    epochs: int
    cost_ratio: float | None


@dataclass(frozen=True, slots=True)
class WorkersProfile:
    """What each of a loader's workers did, by its number.

    `epochs` that were recorded, `ended` of them to the end of every worker's data. `processes`: how many there were in all.
    `batches` and `samples`: of each worker per epoch, means. `at_work`: workers at work on average, if each had its share:
    all batches over those of the busiest worker. `asks`: whether code in a worker asks torch which worker it is in (at
    `asked_where`); `splits`: whether each worker takes a part of an iterable dataset of its own; None where that is unknown.
    `compared`: batches whose content was compared between workers, `same` of them equal; `same_workers`: workers that handed
    over what another one did as well. `passes_over`: how often each sample was handed over in a pass, where that is known.
    `rss_growth_bytes`: resident memory that a worker gains in an epoch. `torch_threads`: that torch may use in a worker."""

    workers: int
    processes: int
    epochs: int
    ended: int
    batches: tuple[float, ...]
    samples: tuple[float, ...] | None
    at_work: float | None
    asks: bool | None = None
    asked_where: Place | None = None
    splits: bool | None = None
    compared: int = 0
    same: int = 0
    same_workers: int = 0
    passes_over: float | None = None
    passes_basis: str | None = None
    kept: Kept | None = None
    rss_growth_bytes: float | None = None
    torch_threads: int | None = None
    trainer_torch_threads: int | None = None


@dataclass(frozen=True, slots=True)
class CpuMasks:
    """Cores that the kernel lets processes use, as counts.

    `online`: of the machine; `allowed`: by the cgroup's cpuset; `given`: to gpuwatch itself, and so to the command;
    `started`: the trainer's as it began; `trainer`: as its loop ran; `workers`: of all workers together, as they ended.
    `narrowed_by`: who took cores away last: cpuset, launcher (of gpuwatch), command, trainer, worker, inherited (a worker
    began with fewer than the trainer has), or None; `set_where`: the line that did. `idle_outside`: cores that no program
    used, of those that the narrowest of them leaves out; `used_inside`: cores used of those that it holds."""

    online: int | None
    allowed: int | None
    given: int | None
    started: int | None
    trainer: int | None
    workers: int | None
    narrowed_by: str | None = None
    set_where: Place | None = None
    idle_outside: float | None = None
    used_inside: float | None = None
