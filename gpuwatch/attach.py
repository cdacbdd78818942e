"""Attach to a training that is running already: find its processes, watch them for a while, leave a run folder.

The training is only read: from /proc, by NVML, and its memory by py-spy. Nothing is written into it, no signal is sent
to it and it is never stopped. Where its stacks may not be read, the rest is.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import field
from pathlib import Path

from gpuwatch.errors import GpuwatchError, UsageError
from gpuwatch.model.recording import RunInfo
from gpuwatch.record import SAMPLER_LOG, is_reaped, last_line, start_sampler, stop_sampler
from gpuwatch.records import dataclass
from gpuwatch.sources import pyspy, refusals, running
from gpuwatch.sources.base import Row
from gpuwatch.sources.loader_locals import serves
from gpuwatch.sources.refusals import Refusal
from gpuwatch.sources.running import Running
from gpuwatch.sources.spool import SpoolFile
from gpuwatch.sources.trainings import Found, find_above, find_below, running_trainings
from gpuwatch.store import folder
from gpuwatch.words.masking import mask_arguments
from gpuwatch.words.version import own_version

LOG = "attached.jsonl"
_TICK_S = 0.2
# A stack that changes while it is read may not be read at all.
_TRIES = 3
# Beyond the seconds asked for: py-spy looks for the interpreters, writes its file, NVML answers.
_PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Target:
    """What is attached to: the processes that train, those below each, and why some cannot be looked into."""

    ranks: tuple[Running, ...]
    members: Mapping[int, tuple[int, ...]]
    refused: Mapping[int, Refusal] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Options:
    """How to look. `tell` gets lines for the user, `progress` the seconds that have gone by, `started` the run folder.

    `live`: what was seen is written every few seconds, for a dashboard. `left` says whether the user has ended the look."""

    base: Path
    name: str | None = None
    seconds: float = 30.0
    rate: float = 1.0
    stacks: bool = True
    read_locals: bool = True
    tell: Callable[[str], None] = lambda line: None
    progress: Callable[[float], None] = lambda seconds: None
    live: bool = False
    started: Callable[[Path], None] = lambda path: None
    left: Callable[[], bool] = lambda: False


def stands_in_worker_loop(pid: int) -> bool | None:
    """Say whether a process works for another one, by the stack of its main thread; None where looking is not allowed."""
    return serves(pyspy.dump(pid)[0], pid)


def list_trainings(everybody: bool = False) -> list[Running]:
    """Return the trainings that run here, the youngest first: of this user, or of all."""
    return running_trainings(running.everyone(), None if everybody else os.geteuid(), stands_in_worker_loop)


def find(pids: Collection[int]) -> Target:
    """Return what these processes lead to. Raises GpuwatchError with the reason and the remedy where it is nothing."""
    targets = [_find(pid) for pid in pids]
    ranks = {rank.pid: rank for target in targets for rank in target.ranks}
    return Target(
        tuple(ranks.values()),
        {pid: below for target in targets for pid, below in target.members.items()},
        {pid: why for target in targets for pid, why in target.refused.items()},
        tuple(dict.fromkeys(note for target in targets for note in target.notes)),
    )


def _find(pid: int) -> Target:
    named = running.read(pid)
    refusal = refusals.why_not_watched(named, pid)
    if named is None or refusal is not None:
        raise _error(refusal or Refusal(f"there is no process {pid}", ""))
    everyone = running.everyone()
    found = find_below(pid, everyone, stands_in_worker_loop)
    found = found if found.ranks else find_above(pid, everyone, stands_in_worker_loop)
    if not found.ranks:
        return _unseen(named, everyone)
    refused = {rank.pid: why for rank in found.ranks if (why := _why_no_stacks(rank)) is not None}
    return Target(found.ranks, found.members, refused, tuple(_notes(named, found)))


def _why_no_stacks(rank: Running) -> Refusal | None:
    """Return why a rank's stacks cannot be read: what is known before, else what py-spy says when it tries."""
    known = refusals.why_no_stacks(rank)
    if known is not None:
        return known
    said = ""
    for _ in range(_TRIES):
        threads, complaint = pyspy.dump(rank.pid)
        if threads:
            return None
        said = complaint or "it has no Python thread"
        if not running.is_same(rank):
            return Refusal(f"process {rank.pid} ended before it could be looked at", "")
    return refusals.explained(said, rank)


def _unseen(named: Running, everyone: Mapping[int, Running]) -> Target:
    """Return a process of which it cannot be seen whether it trains; raise where it can be seen that none does."""
    below = running.below(named.pid, dict(everyone))
    refusal = refusals.why_no_stacks(named)
    hidden = [pid for pid in (named.pid, *below) if running.uses_torch(pid) is None]
    if refusal is not None and hidden:
        return Target((named,), {named.pid: tuple(below)}, {named.pid: refusal})
    if running.is_python(named.pid):
        what = "runs Python, but has no torch loaded" + (", nor does any process below it" if below else "")
    elif any(running.is_python(pid) for pid in below):
        what = f"({named.name}) has Python below it, but none with torch loaded"
    else:
        what = f"({named.name}) runs no Python" + (", nor does any process below it" if below else "")
    listed = "`gpuwatch attach` without a number lists the trainings that run"
    raise _error(Refusal(f"process {named.pid} {what}", listed))


def _notes(named: Running, found: Found) -> list[str]:
    notes, ranks = [], found.ranks
    pids = ", ".join(str(rank.pid) for rank in ranks)
    if any(named.pid in below for below in found.members.values()):
        notes.append(f"process {named.pid} works for a training, process {pids}, which is looked at")
    elif named.pid not in {rank.pid for rank in ranks}:
        notes.append(f"process {named.pid} ({named.name}) is a launcher; what it started trains in {pids}")
    stopped = [rank.pid for rank in ranks if rank.state in "Tt"]
    notes += [
        f"process {pid} is stopped, so that every sample shows the same line; `kill -CONT {pid}` lets it go on"
        for pid in stopped
    ]
    return notes


def _error(refusal: Refusal) -> GpuwatchError:
    return UsageError(refusal.reason, refusal.remedy)


def attach(target: Target, options: Options) -> Path:
    """Watch the target and return the run folder. Raises GpuwatchError when nothing can be written anywhere."""
    created = folder.create(options.base, options.name)
    if created.note:
        options.tell(created.note)
    path = created.path
    info = _info(path, target, options)
    folder.write_info(path, info)
    _write_facts(path, target)
    options.started(path)
    readable = [rank.pid for rank in target.ranks if rank.pid not in target.refused]
    interrupted = _watch(path, target, options, bool(readable))
    _finish(path, info, target, interrupted)
    complaint = last_line(path / SAMPLER_LOG)
    if complaint:
        options.tell(f"the sampler reported: {complaint}")
    return path


def _info(path: Path, target: Target, options: Options) -> RunInfo:
    first = target.ranks[0]
    info = folder.new_info(path, first.command or (first.name,), options.name, own_version())
    attached = {
        "pids": [rank.pid for rank in target.ranks],
        "seconds": options.seconds,
        "age_s": round((info.started_ns - first.start_ns) / 1e9, 1),
    }
    return dataclasses.replace(info, cwd=running.working_folder(first.pid) or info.cwd, attached=attached)


def _write_facts(path: Path, target: Target) -> None:
    spool, now = SpoolFile(path / "spool" / LOG, "attached"), time.monotonic_ns()
    rows: list[Row] = []
    for rank in target.ranks:
        rows += [_training(rank, now), *_cpus(rank.pid, (rank.pid, *target.members.get(rank.pid, ())), now)]
    rows += [["refused", now, pid, why.reason, why.remedy] for pid, why in target.refused.items()]
    rows += [["refused", now, rank.pid, note, ""] for rank in target.ranks[:1] for note in target.notes]
    spool.write(rows)
    spool.close()


def _training(rank: Running, now: int) -> Row:
    number, local, size = running.ranks_of(rank.pid)
    return [
        "training", now, rank.pid, rank.ppid, number, local, size, rank.start_ns, list(mask_arguments(rank.command)),
        running.working_folder(rank.pid), running.python_version(rank.pid), running.torch_version(rank.pid),
        list(running.nvidia_devices(rank.pid)), os.cpu_count(),
    ]  # fmt: skip


def _cpus(rank: int, pids: Collection[int], now: int) -> list[Row]:
    rows: list[Row] = []
    for pid in pids:
        try:
            rows.append(["cpus", now, rank, pid, sorted(os.sched_getaffinity(pid))])
        except OSError:
            continue
    return rows


def _watch(path: Path, target: Target, options: Options, readable: bool) -> bool:
    """Run the sampler until it has looked; return whether a Ctrl-C ended it early."""
    stacks = options.stacks and readable
    more = [
        "--attach",
        ",".join(str(rank.pid) for rank in target.ranks if rank.pid not in target.refused or not readable),
    ]
    more += ["--seconds", str(options.seconds)] + ([] if options.read_locals else ["--no-locals"])
    more += ["--live"] if options.live else []
    sampler = start_sampler(path, options.rate, stacks, more)
    begun = time.monotonic()
    try:
        while not is_reaped(sampler):
            gone = time.monotonic() - begun
            options.progress(min(gone, options.seconds))
            left = options.left()
            if left or gone > options.seconds + _PATIENCE_S:
                stop_sampler(path, sampler)
                return left
            time.sleep(_TICK_S)
    except KeyboardInterrupt:
        stop_sampler(path, sampler)
        return True
    options.progress(options.seconds)
    return False


def _finish(path: Path, info: RunInfo, target: Target, interrupted: bool) -> None:
    ended = [rank.pid for rank in target.ranks if not running.is_same(rank)]
    problem = f"process {ended[0]} ended while it was watched" if ended else None
    attached = {**(info.attached or {}), "interrupted": interrupted}
    folder.free_room(path)
    folder.write_info(
        path,
        dataclasses.replace(info, ended_ns=time.monotonic_ns(), state="finished", problem=problem, attached=attached),
    )
