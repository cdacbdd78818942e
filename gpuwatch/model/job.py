"""One training on several nodes: which runs are part of it, and how well their clocks agree."""

from __future__ import annotations

from typing import Literal

from gpuwatch.records import dataclass

# What says that runs belong together: `--job`, torchrun's run id, Slurm's job and step, the address at which ranks meet.
JobId = Literal["job", "elastic", "slurm", "address"]
# By what a node's clock was put on the first node's: it is that one, what must coincide, or the hosts' wall clocks alone.
ClockBy = Literal["own", "steps", "wall"]


@dataclass(frozen=True, slots=True)
class JobNode:
    """One node of a job. `runs`: the ids of its run folders; `ranks`: those of the training shown.

    `clock_ms`: what was added to its times beyond what its wall clock says, to have them on the first node's clock;
    `clock_error_ms`: how far they may still be off, None where nothing tells. `restarts`: how often the elastic agent
    started its ranks again."""

    host: str
    runs: tuple[str, ...]
    ranks: tuple[int, ...]
    state: str
    gpuwatch: str
    clock_by: ClockBy
    clock_ms: float
    clock_error_ms: float | None
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """A training that several nodes recorded. `id` is of the kind `by`; None where the runs were named, and nothing in them
    says so. `missing_ranks`: those that no run has."""

    id: str | None
    by: JobId | None
    world_size: int
    nodes: tuple[JobNode, ...]
    missing_ranks: tuple[int, ...] = ()
