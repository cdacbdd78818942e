"""The runs of one job → one report: the ranks of all nodes in order, on one clock.

What is missing or does not fit is said: ranks that no run has, a node without this training, clocks that nothing refines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gpuwatch.analyze.nodes.clocks import Clock, clock_of
from gpuwatch.analyze.nodes.merging import Node, merge_profiles, merge_timelines
from gpuwatch.analyze.processes.sorting import Processes
from gpuwatch.analyze.processes.trainings import Group, chief, find_trainings, looped_seconds, only
from gpuwatch.analyze.series.lanes import draw_lanes
from gpuwatch.build_report import analysed, sorted_processes
from gpuwatch.errors import UsageError
from gpuwatch.judged_report import report_of
from gpuwatch.model.job import Job, JobId, JobNode
from gpuwatch.model.recording import Recording
from gpuwatch.model.report import Report
from gpuwatch.records import dataclass

_NO_CLOCK = Clock(0.0, 0.0, 0.0, "own")


@dataclass(frozen=True, slots=True)
class JobRuns:
    """The recordings of a job's nodes, and what says that they are of one job. `runs`: the run folders of each."""

    id: str | None
    by: JobId | None
    recordings: tuple[Recording, ...]
    runs: tuple[tuple[str, ...], ...]


@dataclass(slots=True)
class _Part:
    """One node's share of the training that the report is about."""

    processes: Processes
    runs: tuple[str, ...]
    trainings: list[Group]
    chosen: Group

    @property
    def ranks(self) -> set[int]:
        return {trainer.rank for trainer in self.chosen}


def build_job(job: JobRuns, with_timeline: bool = True) -> Report:
    """Analyse the runs of a job as one training. Raises UsageError where they are of different trainings."""
    parts, problems = _parts(job)
    nodes = _on_one_clock(parts)
    profile = merge_profiles(nodes)
    lanes = (
        merge_timelines(nodes, [draw_lanes(node.analysis, node.profile) for node in nodes]) if with_timeline else None
    )
    described = _described(job, parts, nodes)
    notes = (*problems, *profile.problems)
    return replace(report_of(replace(profile, problems=notes), lanes), job=described)


def _parts(job: JobRuns) -> tuple[list[_Part], list[str]]:
    """Return each node's share of one training, the lowest rank's first, and what of them has none."""
    found, problems = [], []
    for recording, runs in zip(job.recordings, job.runs, strict=True):
        processes = sorted_processes(recording)
        trainings = find_trainings(processes.trainers)
        if trainings:
            found.append(_Part(processes, runs, trainings, trainings[chief(trainings, processes.goes_on)]))
        else:
            problems.append(f"{recording.run.host} recorded no training ({', '.join(runs)})")
    if not found:
        raise UsageError("none of these runs recorded a training", "`gpuwatch report RUN` says what one of them holds")
    first = min(found, key=lambda part: (min(part.ranks), part.processes.start_ns))
    kept = [first]
    for part in found:
        if part is first:
            continue
        mine = _same_training(first, kept, part)
        if mine is None:
            problems.append(f"{part.processes.recording.run.host} has no other ranks of this training; left out")
        else:
            part.chosen = mine
            kept.append(part)
    return [first, *sorted(kept[1:], key=lambda part: min(part.ranks))], problems


def _same_training(first: _Part, kept: Sequence[_Part], part: _Part) -> Group | None:
    """Return the training of a node that is the first node's: as many ranks in all, none of them twice, at the same time."""
    taken = {rank for other in kept for rank in other.ranks}
    size = first.chosen[0].world_size
    fitting = [
        group
        for group in part.trainings
        if group[0].world_size == size and not taken & {trainer.rank for trainer in group}
    ]
    if not fitting:
        return None
    return max(fitting, key=lambda group: (_common_s(first, part, group), looped_seconds(group)))


def _common_s(first: _Part, part: _Part, group: Group) -> float:
    one, two = first.processes.recording.run, part.processes.recording.run
    shift = (two.started_wall_ns - two.started_ns) - (one.started_wall_ns - one.started_ns)
    begin = max(min(t.start_ns for t in first.chosen), min(t.start_ns for t in group) + shift)
    end = min(max(t.end_ns for t in first.chosen), max(t.end_ns for t in group) + shift)
    return (end - begin) / 1e9


def _on_one_clock(parts: Sequence[_Part]) -> list[Node]:
    looked = [analysed(only(part.processes, part.chosen)) for part in parts]
    first = looked[0][0]
    clocks = [_NO_CLOCK, *(clock_of(first, analysis) for analysis, _ in looked[1:])]
    return [
        Node(analysis, profile, clock, part.processes.recording.run.host)
        for part, (analysis, profile), clock in zip(parts, looked, clocks, strict=True)
    ]


def _described(job: JobRuns, parts: Sequence[_Part], nodes: Sequence[Node]) -> Job:
    size = parts[0].chosen[0].world_size
    there = {rank for part in parts for rank in part.ranks}
    return Job(
        id=job.id,
        by=job.by,
        world_size=size,
        nodes=tuple(_node(part, node) for part, node in zip(parts, nodes, strict=True)),
        missing_ranks=tuple(rank for rank in range(size) if rank not in there),
    )


def _node(part: _Part, node: Node) -> JobNode:
    run, clock = part.processes.recording.run, node.clock
    return JobNode(
        host=run.host,
        runs=part.runs,
        ranks=tuple(sorted(part.ranks)),
        state=run.state,
        gpuwatch=run.gpuwatch,
        clock_by=clock.by,
        clock_ms=clock.refined_ns / 1e6,
        clock_error_ms=None if clock.error_ns is None else clock.error_ns / 1e6,
        restarts=_restarts(part),
    )


def _restarts(part: _Part) -> int:
    """Return how often the elastic agent had started the ranks shown before."""
    rounds = [(trainer.log.header.get("job") or {}).get("round") for trainer in part.chosen]
    return max((int(number) for number in rounds if number and number.isdecimal()), default=0)
