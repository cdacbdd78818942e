"""Which processes belong to the run: descendants of the supervisor, and those that write into the run's spool.

Only a pid that was not there before is looked at, so a machine with many processes costs a directory listing.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from gpuwatch.words.tasks import tasks_in


class ProcessTree:
    """The run's processes: those below its roots, and these. A run that was started has one, its supervisor; one that was
    attached to has the processes that train, and the sampler. `tasks`: the folder in which the tasks of a job meet whose
    runs are sampled together: `runs` are their folders, `supervisors` their processes."""

    def __init__(self, root: int | Collection[int], run: Path, proc: str = "/proc", tasks: Path | None = None) -> None:
        self.supervisors = frozenset([root] if isinstance(root, int) else root)
        self.runs: tuple[Path, ...] = (run,)
        self._proc, self._tasks = proc, tasks
        self._spool_changed: dict[Path, int] = {}
        self._names: dict[Path, set[int]] = {}
        self._strangers: set[int] = set()
        self._writers: set[int] = set()
        self.hooked: set[int] = set()
        self.members: dict[int, int] = {}

    def refresh(self) -> None:
        """Find new processes and forget those that are gone; `members` maps each pid to its parent's."""
        present = {int(name) for name in os.listdir(self._proc) if name.isdecimal()}
        for pid in self.members.keys() - present:
            del self.members[pid]
        self._strangers &= present
        self._join_tasks(present)
        self._adopt_writers(present)
        parents = {pid: parent_of(pid, self._proc) for pid in present - self._strangers - self.members.keys()}
        for pid, parent in parents.items():
            if self._belongs(pid, parents):
                self.members[pid] = parent or 0
            else:
                self._strangers.add(pid)
        self.hooked = self._writers & self.members.keys()

    def forget(self, pid: int) -> None:
        """Drop a pid whose process ended; if it is in use again, it is read again."""
        self.members.pop(pid, None)
        self.hooked = self.hooked - {pid}

    def _join_tasks(self, present: set[int]) -> None:
        """Take in what other tasks of the job on this machine have started since the last look."""
        tasks = {pid: run for pid, run in tasks_in(self._tasks).items() if pid in present} if self._tasks else {}
        if new := tasks.keys() - self.supervisors:
            self.supervisors |= new
            self.runs = tuple(dict.fromkeys((*self.runs, *(tasks[pid] for pid in sorted(new)))))
            self._strangers.clear()

    def _belongs(self, pid: int, parents: dict[int, int | None]) -> bool:
        for _ in range(len(parents) + 1):
            if pid in self.supervisors or pid in self.members:
                return True
            parent = parents.get(pid)
            if not parent:
                return False
            pid = parent
        return False

    def _adopt_writers(self, present: set[int]) -> None:
        """Add processes that own a spool file: a daemon that left the tree still belongs to the run."""
        for pid in self._new_writers() & present:
            # A spool of another pid namespace may carry the number of a stranger here.
            if pid not in self.members and self._runs_here(pid):
                self.members[pid] = parent_of(pid, self._proc) or 0
                self._strangers.discard(pid)

    def _new_writers(self) -> set[int]:
        """Return the pids whose files were added to a spool since the last look."""
        changed = [run for run in self.runs if self._has_changed(run)]
        if not changed:
            return set()
        before, self._writers = self._writers, set().union(*self._names.values())
        return self._writers - before

    def _has_changed(self, run: Path) -> bool:
        spool = run / "spool"
        try:
            changed = spool.stat().st_mtime_ns
            if changed == self._spool_changed.get(run, 0):
                return False
            names = os.listdir(spool)
        except OSError:
            return False
        self._spool_changed[run] = changed
        self._names[run] = {int(pid) for pid in (name.partition("-")[0] for name in names) if pid.isdecimal()}
        return True

    def _runs_here(self, pid: int) -> bool:
        try:
            environ = Path(self._proc, str(pid), "environ").read_bytes()
        except OSError:
            return False
        values = set(environ.split(b"\0"))
        return any(b"GPUWATCH_RUN=" + os.fsencode(run) in values for run in self.runs)


def parent_of(pid: int, proc: str = "/proc") -> int | None:
    """Return the parent's pid, None when the process is gone."""
    try:
        with open(f"{proc}/{pid}/stat", "rb") as file:
            stat = file.read()
        return int(stat[stat.rindex(b")") + 2 :].split(None, 2)[1])
    except (OSError, ValueError):
        return None
