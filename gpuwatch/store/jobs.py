"""Which run folders are of one job, and what each of its nodes recorded.

Runs belong together by what their launcher calls the job: `--job`, torchrun's run id, Slurm's job and step, or the address
at which the ranks meet. The first of these that two runs both have decides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gpuwatch.errors import NotARun, UsageError
from gpuwatch.model.job import JobId
from gpuwatch.model.recording import ProcessLog, Recording, RunInfo, Table
from gpuwatch.records import dataclass
from gpuwatch.store import archive, folder
from gpuwatch.store.reader import read
from gpuwatch.words.event_log import read_header

KINDS: tuple[JobId, ...] = ("job", "elastic", "slurm", "address")
# Clocks of one cluster differ by less, and its nodes start within it.
_CLOCKS_NS = 60 * 10**9
_HEADER_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Member:
    """A run folder, and what says of which job it is. `ended_ns`: by its wall clock; of one that goes on, or was lost, the
    time of its last event."""

    path: Path
    info: RunInfo
    ids: dict[str, str]
    world_size: int
    ranks: frozenset[int]
    ended_ns: int

    @property
    def node(self) -> tuple[str, str | None]:
        """What tells its node from others: containers on one machine have host names of their own."""
        return self.info.host, self.info.boot_id


@dataclass(frozen=True, slots=True)
class NodeRecording:
    """What one node recorded: `recording` has the logs of all its run folders, which `runs` names."""

    recording: Recording
    runs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RecordedJob:
    """The recordings of a job's nodes, the first to start first."""

    id: str | None
    by: JobId | None
    nodes: tuple[NodeRecording, ...]


def member(path: Path) -> Member:
    """Read what says of which job a run is. Raises NotARun."""
    info = folder.read_info(path)
    headers = [header for header in _headers(path / "spool") if header.get("rank") is not None]
    world_size = max((int(header.get("world_size") or 1) for header in headers), default=1)
    mine = [header for header in headers if header.get("world_size") == world_size]
    ids = {kind: str(value) for header in mine for kind, value in (header.get("job") or {}).items()}
    if info.job:
        ids["job"] = info.job
    return Member(path, info, ids, world_size, frozenset(int(header["rank"]) for header in mine), _ended(path, info))


def together(one: Member, other: Member) -> JobId | None:
    """Return what says that two runs are of one job; None where nothing does, or something says that they are not."""
    kind = next((kind for kind in KINDS if kind in one.ids and kind in other.ids), None)
    if kind is None or one.ids[kind] != other.ids[kind]:
        return None
    # A node of a named job may have recorded nothing of its ranks.
    if kind != "job" and one.world_size != other.world_size:
        return None
    # Many jobs meet at port 29500 of their own host, one after the other or at once.
    if kind == "address" and (one.ranks & other.ranks or one.world_size < 2):
        return None
    return kind if _overlap(one, other) else None


def read_run(path: Path, alone: bool = True) -> Recording:
    """Read one run; where another task of its job sampled this machine, with the samples of that one. `alone`: see `read`."""
    recording = read(path, alone)
    if recording.by_writer("sampler") or not recording.by_writer("hook") or recording.run.attached is not None:
        return recording
    try:
        mine = member(path)
    except NotARun:  # its run.json is lost: the event log is all there is
        return recording
    beside = [
        read(one.path, alone) for one in job_of(path) if one.node == mine.node and one.path.resolve() != path.resolve()
    ]
    sampled = [log for other in beside for log in other.logs if log.writer in ("sampler", "stacks")]
    return _joined([recording, replace(recording, logs=tuple(sampled), bytes=0)]) if sampled else recording


def job_of(path: Path) -> list[Member]:
    """Return the runs beside a run that are of its job, itself among them, the first to start first."""
    mine = member(path)
    found = [mine]
    if mine.world_size < 2 and not mine.info.job:
        return found
    for other in folder.list_runs(path.parent):
        if other.resolve() != path.resolve() and (mate := _at_that_time(other, mine)) and together(mine, mate):
            found.append(mate)
    return _in_order(found)


def members_in(base: Path) -> list[Member] | None:
    """Return the runs of the newest job in a folder of run folders; None where it holds no run."""
    runs = folder.list_runs(base)
    return job_of(runs[-1]) if runs else None


def members_named(paths: Sequence[Path]) -> list[Member]:
    """Return the runs that were named to be of one job. Raises UsageError where something in them says that they are not."""
    found = _in_order([member(path) for path in paths])
    first = found[0]
    for other in found[1:]:
        if together(first, other) is None and (why := _contradiction(first, other)):
            raise UsageError(
                f"{first.path.name} and {other.path.name} are not of one job: {why}",
                "Report on each by itself; `gpuwatch run --job NAME` says which runs belong together",
            )
    return found


def read_job(members: Sequence[Member]) -> RecordedJob:
    """Read the runs of a job: those of one node are one recording, with one sampler."""
    nodes: dict[tuple[str, str | None], list[Member]] = defaultdict(list)
    for one in members:
        nodes[one.node].append(one)
    kinds = [together(members[0], other) for other in members[1:]]
    kind = kinds[0] if kinds and None not in kinds and len(set(kinds)) == 1 else None
    return RecordedJob(
        id=members[0].ids.get(kind) if kind else None,
        by=kind,
        nodes=tuple(_read_node(own) for own in nodes.values()),
    )


def _contradiction(one: Member, other: Member) -> str | None:
    """Return why two runs cannot be of one job."""
    kind = next((kind for kind in KINDS if kind in one.ids and kind in other.ids), None)
    if one.world_size != other.world_size:
        return f"one has {one.world_size} ranks in all, the other {other.world_size}"
    if one.world_size < 2 and kind != "job":
        return "neither has ranks"
    if kind is not None and kind != "address" and one.ids[kind] != other.ids[kind]:
        return f"one is of {one.ids[kind]}, the other of {other.ids[kind]}"
    if common := sorted(one.ranks & other.ranks):
        return f"both have rank {common[0]}"
    return None if _overlap(one, other) else "one had ended before the other began"


def _overlap(one: Member, other: Member) -> bool:
    return (
        one.info.started_wall_ns <= other.ended_ns + _CLOCKS_NS
        and other.info.started_wall_ns <= one.ended_ns + _CLOCKS_NS
    )


def _ended(path: Path, info: RunInfo) -> int:
    if info.ended_ns is not None:
        return info.started_wall_ns + info.ended_ns - info.started_ns
    try:
        return max(entry.stat().st_mtime_ns for entry in (path / "spool").iterdir())
    except (OSError, ValueError):
        return info.started_wall_ns


def _at_that_time(path: Path, mine: Member) -> Member | None:
    """Return a run that went on while another did; of the others nothing but their metadata is read."""
    try:
        info = folder.read_info(path)
        over = info.ended_ns is not None and _ended(path, info) + _CLOCKS_NS < mine.info.started_wall_ns
        return None if over or info.experiment is not None else member(path)
    except NotARun:
        return None


def _headers(spool: Path) -> Iterable[dict[str, Any]]:
    try:
        names = sorted(entry.name for entry in spool.iterdir() if entry.name[:1].isdigit())
    except OSError:
        return
    for name in names:
        try:
            first = next(archive.blocks(spool / name, 0, _HEADER_BYTES), b"").partition(b"\n")[0]
        except OSError:
            continue
        header, _ = read_header(first)
        if header is not None:
            yield header


def _in_order(members: list[Member]) -> list[Member]:
    return sorted(members, key=lambda one: (one.info.started_wall_ns, one.path.name))


def _read_node(members: Sequence[Member]) -> NodeRecording:
    recordings = [read(one.path) for one in members]
    runs = tuple(one.path.name for one in members)
    return NodeRecording(recordings[0] if len(recordings) == 1 else _joined(recordings), runs)


def _joined(recordings: Sequence[Recording]) -> Recording:
    """Return one recording of several run folders of one node: the same clock and the same process ids."""
    first = recordings[0]
    logs = [replace(log, name=f"{Path(one.path).name}/{log.name}") for one in recordings for log in one.logs]
    samplers = [log for log in logs if log.writer == "sampler"]
    others = [log for log in logs if log.writer != "sampler"]
    ends = [one.run.ended_ns for one in recordings]
    failed = next((one.run for one in recordings if one.run.exit_code or one.run.signal), first.run)
    run = replace(
        first.run,
        ended_ns=max(end for end in ends if end is not None) if None not in ends else None,
        exit_code=failed.exit_code,
        signal=failed.signal,
        state=next((one.run.state for one in recordings if one.run.state != "finished"), "finished"),
        child_pid=None,
    )
    return Recording(
        run,
        (*others, *([_one_sampler(samplers)] if samplers else [])),
        first.path,
        sum(one.bytes for one in recordings),
        tuple(dict.fromkeys(problem for one in recordings for problem in one.problems)),
    )


def _one_sampler(logs: Sequence[ProcessLog]) -> ProcessLog:
    """Return the samples of one node as one log: when a task that sampled had ended, another one's sampler went on."""
    logs = sorted(logs, key=lambda log: int(log.header["mono_ns"]))
    columns = logs[0].header["columns"]
    alike = [log for log in logs if log.header["columns"] == columns]
    kinds = {kind for log in alike for kind in log.tables}
    tables = {
        kind: Table(kind, tuple(columns.get(kind, ())), [row for log in alike for row in log.table(kind).rows])
        for kind in kinds
    }
    return replace(logs[0], tables=tables) if len(alike) > 1 else logs[0]
