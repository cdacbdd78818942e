"""Which running processes train: a launcher's ranks, apart from the workers of their loaders.

A rank has torch loaded. A worker is a copy of its parent (fork: the same command) or was started by multiprocessing
(spawn, forkserver), and is in the loop of those that serve others: a loader's, a pool's. Ranks may be started by
multiprocessing as well; then only that loop tells the two apart.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from gpuwatch.records import dataclass
from gpuwatch.sources import running
from gpuwatch.sources.running import Running

_STARTED_BY_MULTIPROCESSING = (
    "multiprocessing.spawn",
    "multiprocessing.forkserver",
    "multiprocessing.resource_tracker",
)
_NO_TRAINING = ("multiprocessing.forkserver", "multiprocessing.resource_tracker")


@dataclass(frozen=True, slots=True)
class Found:
    """What a process leads to: the processes that train, and those below each of them."""

    ranks: tuple[Running, ...]
    members: Mapping[int, tuple[int, ...]]


# Whether a process's main thread stands in a loop that serves another process; None where nobody may look.
Serves = Callable[[int], bool | None]


def find_below(
    pid: int,
    processes: Mapping[int, Running],
    serves: Serves,
    uses_torch: Callable[[int], bool | None] = running.uses_torch,
) -> Found:
    """Return the ranks that a process is, or has started."""
    everyone = dict(processes)
    members = [pid, *running.below(pid, everyone)]
    with_torch = [each for each in members if uses_torch(each)]
    candidates = [each for each in with_torch if not _is_worker(each, everyone, with_torch, serves)]
    ranks = [each for each in candidates if not _only_starts(each, candidates, everyone)]
    return Found(
        tuple(everyone[each] for each in ranks), {each: tuple(running.below(each, everyone)) for each in ranks}
    )


def find_above(
    pid: int,
    processes: Mapping[int, Running],
    serves: Serves,
    uses_torch: Callable[[int], bool | None] = running.uses_torch,
) -> Found:
    """Return the rank that a process works for, as the worker of a loader; none where it works for no training."""
    if uses_torch(pid) is not True or serves(pid) is False:
        return Found((), {})
    for ancestor in _above(pid, processes):
        found = find_below(ancestor, processes, serves, uses_torch)
        mine = [rank for rank in found.ranks if pid in found.members[rank.pid]]
        if mine:
            return Found(tuple(mine), {rank.pid: found.members[rank.pid] for rank in mine})
        if uses_torch(ancestor) is not True and not _only_helps(processes[ancestor]):
            break
    return Found((), {})


def running_trainings(
    processes: Mapping[int, Running],
    uid: int | None,
    serves: Serves,
    uses_torch: Callable[[int], bool | None] = running.uses_torch,
) -> list[Running]:
    """Return the processes that train on this machine: of one user, or of all (None), the youngest first."""
    mine = {pid for pid, each in processes.items() if uid in (None, each.uid) and each.command}
    with_torch = [pid for pid in mine if uses_torch(pid)]
    everyone = dict(processes)
    candidates = [pid for pid in with_torch if not _is_worker(pid, everyone, with_torch, serves)]
    ranks = [everyone[pid] for pid in candidates if not _only_starts(pid, candidates, everyone)]
    return sorted(ranks, key=lambda each: -each.start_ticks)


def _is_worker(pid: int, processes: Mapping[int, Running], with_torch: Collection[int], serves: Serves) -> bool:
    """Say whether a process makes batches, or waits for orders, for another one that trains."""
    mine, parent = processes[pid], processes.get(processes[pid].ppid)
    words = " ".join(mine.command)
    if _only_helps(mine):
        return True
    forked = parent is not None and parent.pid in with_torch and parent.command == mine.command
    by_server = parent is not None and _only_helps(parent)
    if not (forked or by_server or any(name in words for name in _STARTED_BY_MULTIPROCESSING)):
        return False
    # Where nobody may look, what a process was started by has to do: ranks are rarer than workers.
    return serves(pid) is not False


def _only_helps(process: Running) -> bool:
    """Say whether a process is multiprocessing's own: it starts others, or keeps books."""
    words = " ".join(process.command)
    return any(name in words for name in _NO_TRAINING)


def _only_starts(pid: int, candidates: Collection[int], processes: Mapping[int, Running]) -> bool:
    """Say whether a process is a launcher: others that train were started by it."""
    return any(pid in _above(other, processes) for other in candidates if other != pid)


def _above(pid: int, processes: Mapping[int, Running]) -> list[int]:
    found: list[int] = []
    while pid in processes and processes[pid].ppid not in found and processes[pid].ppid > 0:
        pid = processes[pid].ppid
        found.append(pid)
    return found
