"""Who is who in a recording: trainers, loader workers, the sampler; all on one clock.

Times in here are nanoseconds on the monotonic clock of the run's own host: logs of other hosts are shifted by the
wall-clock anchor in their header.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import field
from typing import Any

from gpuwatch.analyze.numbers.arrays import as_list, numbers
from gpuwatch.model.measures import Place
from gpuwatch.model.recording import ProcessLog, Recording, RunInfo
from gpuwatch.records import dataclass

# Two monotonic clocks further apart than this are of two boots, whatever the host's name says.
_SAME_BOOT_NS = 3600 * 10**9
# A fork's start time has the kernel's tick as its grain, and a spawned worker starts while the iterator is made.
_START_SLACK_NS = 50_000_000


@dataclass(slots=True)
class Iterator:
    """One iterator that a trainer made over a loader: an epoch, usually. `place`: where it was asked for; `made_place`:
    where the user made the loader; `asking_place`: where its batches are asked for. `index_ns`: of making it, in its
    sampler."""

    id: int
    loader: str
    start_ns: float
    made_ns: float
    attributes: dict[str, Any]
    workers: tuple[tuple[int, int], ...]
    place: Place | None
    made_place: Place | None = None
    index_ns: float = 0.0
    asking_place: Place | None = None

    @property
    def worker_count(self) -> int:
        """Number of workers; 0 means that the trainer itself loads."""
        return int(self.attributes.get("workers") or 0)


@dataclass(slots=True)
class Worker:
    """One loader worker's log."""

    log: ProcessLog
    shift_ns: float
    number: int | None
    parent: int | None
    start_ns: float
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def host(self) -> str:
        """Host it ran on."""
        return str(self.log.header.get("host", ""))


@dataclass(slots=True)
class Trainer:
    """One training process's log."""

    log: ProcessLog
    shift_ns: float
    rank: int
    local_rank: int
    world_size: int
    start_ns: float
    end_ns: float
    meta: dict[str, Any]
    iterators: list[Iterator]
    workers: dict[int, list[Worker]] = field(default_factory=dict)

    @property
    def host(self) -> str:
        """Host it ran on."""
        return str(self.log.header.get("host", ""))


@dataclass(slots=True)
class Processes:
    """A recording, sorted by who wrote what."""

    recording: Recording
    trainers: list[Trainer]
    workers: list[Worker]
    others: list[ProcessLog]
    sampler: ProcessLog | None
    start_ns: float
    end_ns: float

    @property
    def seconds(self) -> float:
        """Wall time of the run so far."""
        return max(self.end_ns - self.start_ns, 0.0) / 1e9

    @property
    def goes_on(self) -> bool:
        """Whether the command had not ended when this was recorded."""
        return self.recording.run.state == "running"


def sort_processes(recording: Recording) -> Processes:
    """Tell trainers, workers and the sampler apart and put them on one clock."""
    run = recording.run
    hooks = recording.by_writer("hook")
    workers = [_worker(log, run) for log in hooks if "worker" in log.tables]
    rest = [log for log in hooks if "worker" not in log.tables]
    chosen = _training_logs(rest)
    end_ns = _run_end(recording)
    trainers = [_trainer(log, run, end_ns) for log in chosen]
    _give_workers(trainers, workers)
    sampler = next(iter(recording.by_writer("sampler")), None)
    others = [log for log in rest if log not in chosen]
    return Processes(recording, trainers, workers, others, sampler, float(run.started_ns), end_ns)


def shift_of(log: ProcessLog, run: RunInfo) -> float:
    """Return what to add to a log's times to have them on the clock of the run's host (ns)."""
    header = log.header
    if not header.get("wall_ns") or not run.started_wall_ns:
        return 0.0
    shift = (int(header["wall_ns"]) - int(header["mono_ns"])) - (run.started_wall_ns - run.started_ns)
    foreign = run.host and header.get("host") not in (run.host, None, "")
    return float(shift) if foreign or abs(shift) > _SAME_BOOT_NS else 0.0


def meta_of(log: ProcessLog) -> dict[str, Any]:
    """Return a log's facts by name, the last value of each."""
    table = log.table("meta")
    return {str(key): value for key, value in zip(table.column("key"), table.column("value"), strict=True)}


def _training_logs(logs: list[ProcessLog]) -> list[ProcessLog]:
    """Return the logs of processes that trained: those with batches, else with steps, else the first with torch."""
    for wanted in (_has_batches, _has_steps):
        found = [log for log in logs if wanted(log)]
        if found:
            return found
    with_torch = [log for log in logs if "torch" in meta_of(log)]
    return with_torch[:1]


def _has_batches(log: ProcessLog) -> bool:
    return len(log.table("batch")) > 0 or len(log.table("iterator")) > 0


def _has_steps(log: ProcessLog) -> bool:
    tail = log.table("tail")
    return any(number for name in ("backward_n", "optimizer_n") for number in tail.column(name))


def _trainer(log: ProcessLog, run: RunInfo, run_end_ns: float) -> Trainer:
    header, meta, shift = log.header, meta_of(log), shift_of(log, run)
    start = float(header.get("process_start_ns") or header["mono_ns"]) + shift
    last = last_event_ns(log) + shift
    is_child = run.child_pid is not None and log.pid == run.child_pid and not shift
    end = run_end_ns if is_child and run.ended_ns is not None else last
    rank, local_rank, world_size = _ranks(header, meta)
    return Trainer(
        log=log,
        shift_ns=shift,
        rank=rank,
        local_rank=local_rank,
        world_size=world_size,
        start_ns=start,
        end_ns=max(end, last, start),
        meta=meta,
        iterators=_iterators(log, shift),
    )


def _ranks(header: dict[str, Any], meta: dict[str, Any]) -> tuple[int, int, int]:
    """Return rank (-1: unknown), local rank and world size: of the process group if there was one, else of the environment."""
    group = meta.get("ranks")
    recorded = group if isinstance(group, list) and len(group) == 3 else (None, None, None)
    defaults = {"rank": -1, "local_rank": 0, "world_size": 1}
    pairs = zip(recorded, defaults.items(), strict=True)
    rank, local_rank, world_size = (
        _integer(_first(value, header.get(key)), missing) for value, (key, missing) in pairs
    )
    return rank, local_rank, world_size


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _integer(value: Any, missing: int) -> int:
    return int(value) if isinstance(value, (int, float)) else missing


def number_ranks(trainers: list[Trainer]) -> None:
    """Sort the processes of one training by rank; one without a rank gets the next free number."""
    free = iter(number for number in range(len(trainers) + 1) if number not in {t.rank for t in trainers})
    for trainer in sorted(trainers, key=lambda t: t.start_ns):
        if trainer.rank < 0:
            trainer.rank = next(free)
    trainers.sort(key=lambda t: (t.rank, t.start_ns))


def last_event_ns(log: ProcessLog) -> float:
    """Return the time of a log's last event (its own clock)."""
    latest = float(log.header["mono_ns"])
    for table in log.tables.values():
        for name in ("t1", "t"):
            if name in table.columns and len(table):
                times = numbers(table, name) if len(table) < 64 else numbers(_last_rows(table), name)
                latest = max([latest, *times[times == times].tolist()])
                break
    return latest


def _last_rows(table: Any) -> Any:
    return type(table)(table.kind, table.columns, table.rows[-64:])


def _iterators(log: ProcessLog, shift: float) -> list[Iterator]:
    made = []
    asked = {row.get("iterator"): place_in(row) for row in log.table("asked").dicts()}
    for row in log.table("iterator").dicts():
        if row.get("iterator") is None or row.get("t0") is None:
            continue
        made.append(_iterator(row, shift, asked.get(row["iterator"])))
    return sorted(made, key=lambda iterator: iterator.start_ns)


def _iterator(row: dict[str, Any], shift: float, asked: Place | None) -> Iterator:
    attributes, place = row.get("attributes"), place_in(row)
    return Iterator(
        id=row["iterator"],
        loader=str(row.get("loader")),
        start_ns=row["t0"] + shift,
        made_ns=(row.get("t1") or row["t0"]) + shift,
        attributes=attributes if isinstance(attributes, dict) else {},
        workers=tuple((int(pair[0]), int(pair[1])) for pair in as_list(row.get("workers")) if None not in pair),
        place=place,
        made_place=place_in(row, "made_"),
        index_ns=float(row.get("index_ns") or 0),
        asking_place=asked or place,
    )


def place_in(row: dict[str, Any], prefix: str = "") -> Place | None:
    """Return the place that a row names in its columns file, line and function."""
    file, line, function = (row.get(prefix + name) for name in ("file", "line", "function"))
    if not isinstance(file, str) or not file:
        return None
    return Place(file, _integer(line, 0), function if isinstance(function, str) else None)


def _worker(log: ProcessLog, run: RunInfo) -> Worker:
    facts = log.table("worker").dicts()[0]
    shift = shift_of(log, run)
    start = log.header.get("process_start_ns") or facts.get("t") or log.header["mono_ns"]
    return Worker(log, shift, facts.get("worker"), facts.get("parent"), float(start) + shift, facts)


def _give_workers(trainers: list[Trainer], workers: list[Worker]) -> None:
    """Find each iterator's workers: by host and pid, and by start time where the system used a pid twice."""
    by_pid: dict[tuple[str, int], list[Worker]] = defaultdict(list)
    for worker in workers:
        by_pid[worker.host, worker.log.pid].append(worker)
    for trainer in trainers:
        for iterator in trainer.iterators:
            found = (_alive_at(by_pid.get((trainer.host, pid), ()), iterator.made_ns) for _, pid in iterator.workers)
            trainer.workers[iterator.id] = [worker for worker in found if worker is not None]


def _alive_at(candidates: Iterable[Worker], made_ns: float) -> Worker | None:
    started = [worker for worker in candidates if worker.start_ns <= made_ns + _START_SLACK_NS]
    return max(started, key=lambda worker: worker.start_ns, default=None)


def _run_end(recording: Recording) -> float:
    if recording.run.ended_ns is not None:
        return float(recording.run.ended_ns)
    ends = [last_event_ns(log) + shift_of(log, recording.run) for log in recording.logs]
    return max([float(recording.run.started_ns), *ends])
