"""The runs of one job, which its nodes or tasks recorded, as one training: its ranks are compared as `gpuwatch report` does.

Each run folder keeps its own row with its own ranks; the findings, loaders and lines are counted once, for the lowest rank's."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from gpuwatch.build_job import JobRuns, build_job
from gpuwatch.build_report import build
from gpuwatch.errors import GpuwatchError
from gpuwatch.fleet.columns import Rows
from gpuwatch.fleet.copies import local_copy
from gpuwatch.fleet.places import RunPlace
from gpuwatch.fleet.rows import Part, rows_of_part
from gpuwatch.model.report import Report
from gpuwatch.store import jobs
from gpuwatch.store.jobs import Member


def job_key(report: Report, path: Path) -> str | None:
    """Return what the job of a run is known by, where other runs have the rest of its ranks; else None."""
    size = max((rank.world_size for rank in report.ranks), default=1)
    if len(report.ranks) >= size or report.trainings or report.run.experiment is not None:
        return None
    try:
        ids = jobs.member(path).ids
    except GpuwatchError:  # its run.json was lost
        return None
    return next((f"{kind}:{ids[kind]}:{size}" for kind in jobs.KINDS if kind in ids), None)


def rows_together(key: str, places: Sequence[RunPlace]) -> dict[str, Rows]:
    """Return the rows of each run folder that belongs to others, of which `key` is what their job is known by."""
    found: dict[str, Rows] = {}
    with ExitStack() as copies:
        members = []
        for place in places:
            try:
                members.append((place, jobs.member(copies.enter_context(local_copy(place)))))
            except (GpuwatchError, OSError):
                continue
        for own in _together(members):
            try:
                found |= _rows(key, own)
            except Exception:  # each of them was read by itself, and stays as that
                continue
    return found


_Members = list[tuple[RunPlace, Member]]


def _together(members: _Members) -> list[_Members]:
    """Return those that are of one job: jobs that follow each other may have the same address."""
    groups: list[_Members] = []
    for one in sorted(members, key=lambda pair: (pair[1].info.started_wall_ns, pair[0].path)):
        fitting = (own for own in groups if all(jobs.together(other, one[1]) for _, other in own))
        mine = next(fitting, None)
        if mine is None:
            groups.append([one])
        else:
            mine.append(one)
    return [own for own in groups if len(own) > 1]


def _rows(key: str, own: _Members) -> dict[str, Rows]:
    report = _report([member for _, member in own])
    parts = []
    for place, member in own:
        ranks = tuple(rank for rank in report.ranks if rank.rank in member.ranks)
        if ranks:
            parts.append(Part(place.path, place.fingerprint, member.info, ranks, place.page, key))
    parts.sort(key=lambda part: min(rank.rank for rank in part.ranks))
    if sum(len(part.ranks) for part in parts) != len(report.ranks):
        return {}  # a rank that two of them have, or none
    return {part.run: rows_of_part(report, part, leads=part is parts[0]) for part in parts}


def _report(members: Sequence[Member]) -> Report:
    job = jobs.read_job(members)
    if len(job.nodes) == 1:  # the tasks of one node
        return build(job.nodes[0].recording, with_timeline=False)
    recordings, runs = (tuple(node.recording for node in job.nodes), tuple(node.runs for node in job.nodes))
    return build_job(JobRuns(job.id, job.by, recordings, runs), with_timeline=False)
