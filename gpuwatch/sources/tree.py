"""Which processes belong to the run: descendants of the supervisor, and those that write into the run's spool.

Only a pid that was not there before is looked at, so a machine with many processes costs a directory listing.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path


class ProcessTree:
    """The run's processes: those below its roots, and these. A run that was started has one, its supervisor; one that was
    attached to has the processes that train, and the sampler."""

    def __init__(self, root: int | Collection[int], run: Path, proc: str = "/proc") -> None:
        self._roots = frozenset([root] if isinstance(root, int) else root)
        self._run, self._proc = run, proc
        self._spool_changed = 0
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

    def _belongs(self, pid: int, parents: dict[int, int | None]) -> bool:
        for _ in range(len(parents) + 1):
            if pid in self._roots or pid in self.members:
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
        """Return the pids whose files were added to the spool since the last look."""
        spool = self._run / "spool"
        try:
            changed = spool.stat().st_mtime_ns
            if changed == self._spool_changed:
                return set()
            names = os.listdir(spool)
        except OSError:
            return set()
        before, self._spool_changed = self._writers, changed
        self._writers = {int(pid) for pid in (name.partition("-")[0] for name in names) if pid.isdecimal()}
        return self._writers - before

    def _runs_here(self, pid: int) -> bool:
        try:
            environ = Path(self._proc, str(pid), "environ").read_bytes()
        except OSError:
            return False
        return b"GPUWATCH_RUN=" + os.fsencode(self._run) in environ.split(b"\0")


def parent_of(pid: int, proc: str = "/proc") -> int | None:
    """Return the parent's pid, None when the process is gone."""
    try:
        with open(f"{proc}/{pid}/stat", "rb") as file:
            stat = file.read()
        return int(stat[stat.rindex(b")") + 2 :].split(None, 2)[1])
    except (OSError, ValueError):
        return None
