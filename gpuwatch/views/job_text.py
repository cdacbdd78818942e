"""What is said of a job on several nodes: which they are, how well their clocks agree, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gpuwatch.model.job import Job, JobId, JobNode
from gpuwatch.views import text

_BY: dict[JobId, str] = {
    "job": "job {id}",
    "elastic": "torchrun's run id {id}",
    "slurm": "Slurm's job and step {id}",
    "address": "ranks that meet at {id}",
}
_MOST = 8


def notes(job: Job | None) -> list[str]:
    """Return the lines on a job; none for a run of one node."""
    return [] if job is None else [_nodes(job), *_clocks(job), *_missing(job)]


def _nodes(job: Job) -> str:
    named = f", by {_BY[job.by].format(id=text.clean(job.id))}" if job.by and job.id else ", as they were named"
    return f"one job on {text.count(len(job.nodes), 'node')}{named}: {_listed([text.clean(n.host) for n in job.nodes])}"


def _clocks(job: Job) -> Iterable[str]:
    others = [node for node in job.nodes if node.clock_by != "own"]
    if refined := [node for node in others if node.clock_by == "steps" and node.clock_error_ms is not None]:
        error = max(node.clock_error_ms or 0.0 for node in refined)
        most = max(abs(node.clock_ms) for node in refined)
        yield (
            f"the nodes' times agree within {text.milliseconds(error)}, by the ends of the steps that their ranks take together"
            f" (their wall clocks: within {text.milliseconds(most)})"
        )
    if plain := [node for node in others if node.clock_by == "wall"]:
        yield f"times of {_hosts(plain)} are by its wall clock alone, with an error that nothing here tells"


def _missing(job: Job) -> Iterable[str]:
    if job.missing_ranks:
        ranks = _listed([str(rank) for rank in job.missing_ranks])
        noun = "rank" if len(job.missing_ranks) == 1 else "ranks"
        yield f"{noun} {ranks} of {job.world_size} left no recording among these runs"
    for node in job.nodes:
        if node.state == "lost":
            yield f"{text.clean(node.host)}: its recording stops before the end of its run (killed, or the node was lost)"
        elif node.state == "running":
            yield f"{text.clean(node.host)}: its run was still going on"
    if again := [node for node in job.nodes if node.restarts]:
        starts = max(node.restarts for node in again) + 1
        yield f"the elastic agent restarted the ranks: this is their start number {starts}"
    if len(versions := sorted({node.gpuwatch or "unknown" for node in job.nodes})) > 1:
        yield f"recorded by gpuwatch {' and '.join(versions)}: what the older ones do not measure is missing for their ranks"


def _hosts(nodes: Sequence[JobNode]) -> str:
    return _listed([text.clean(node.host) for node in nodes])


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more
