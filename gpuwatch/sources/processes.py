"""Every process of the run: CPU time, run-queue delay, memory, I/O, threads, major faults.

psutil lacks run-queue delay and major faults, and costs ten times as much per process as three kept
descriptors below /proc (see docs/facts.md on psutil's `oneshot`), so this source reads them itself.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable

from gpuwatch.records import dataclass
from gpuwatch.sources.base import KeptFile, Row, keep
from gpuwatch.sources.tree import ProcessTree

_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_IO = re.compile(rb"^(rchar|read_bytes|write_bytes): (\d+)", re.MULTILINE)
_PSS = re.compile(rb"^Pss: +(\d+) kB", re.MULTILINE)

# In the command of each process that `record.isolated` starts.
_OURS, _LONGEST_COMMAND = b"run_module('gpuwatch.", 1 << 16

# Adding up a process' pages holds its memory map's lock: seldom, and at most this share of its time.
# Some seconds after a process is met, then further apart each time: growth shows in short runs too.
PSS_EVERY_NS = 30_000_000_000
PSS_SHARE = 0.0005
PSS_FIRST_NS, PSS_FACTOR = 2_000_000_000, 3
PSS_MAX_RSS = 16 << 30


@dataclass(frozen=True)
class Stat:
    """What /proc/PID/stat tells; times in nanoseconds (10 ms resolution), memory in bytes."""

    name: str
    state: str
    ppid: int
    major_faults: int
    cpu_ns: int
    threads: int
    rss_bytes: int


@dataclass
class Watched:
    """The kept descriptors of one process, and when its pages are next added up."""

    stat: KeptFile
    schedstat: KeptFile | None
    io: KeptFile | None
    pss_due: int
    pss_gap: int = PSS_FIRST_NS

    def close(self) -> None:
        """Close the descriptors."""
        for file in (self.stat, self.schedstat, self.io):
            if file:
                file.close()


class ProcessSource:
    """Rows of kind `process`. Roles: `gpuwatch` (ours), `hooked` (writes a spool), `tree` (the rest of the run).

    `supervisor`: the process that started the run; None where the root of the tree trains itself."""

    name = "processes"
    period_s = 1.0
    later_period_s = 5.0

    def __init__(
        self,
        tree: ProcessTree,
        supervisor: int | None,
        clock: Callable[[], int] = time.monotonic_ns,
        proc: str = "/proc",
    ) -> None:
        self._tree, self._clock, self._proc = tree, clock, proc
        self._own = {os.getpid()} if supervisor is None else {supervisor, os.getpid()}
        self._supervised = supervisor is not None
        self._started: dict[int, bool] = {}
        self._watched: dict[int, Watched] = {}

    def probe(self) -> str | None:
        """Return why processes cannot be read, or None."""
        return None if os.path.exists(f"{self._proc}/self/stat") else f"{self._proc} is not mounted"

    def open(self) -> None:
        """Nothing to take before the first reading."""

    def read(self, now: int) -> list[Row]:
        """Return one row per living process of the run."""
        self._tree.refresh()
        for pid in self._watched.keys() - self._tree.members.keys():
            self._watched.pop(pid).close()
            self._started.pop(pid, None)
        rows = (self._row(pid) for pid in list(self._tree.members))
        return [row for row in rows if row is not None]

    def close(self) -> None:
        """Close all descriptors."""
        for watched in self._watched.values():
            watched.close()
        self._watched = {}

    def _row(self, pid: int) -> Row | None:
        watched = self._watched.get(pid) or self._watch(pid)
        if watched is None:
            return None
        try:
            stat = parse_stat(watched.stat.read())
        except (OSError, ValueError, IndexError):
            # ESRCH: it ended; a process that now uses the pid is met anew at the next tick.
            self._watched.pop(pid).close()
            self._tree.forget(pid)
            return None
        t = self._clock()
        io = _io(watched.io)
        pss = self._pss(pid, watched, stat, t)
        return ["process", t, pid, stat.ppid, self._role(pid, stat.ppid), stat.name, stat.cpu_ns, _delay_ns(watched.schedstat), stat.rss_bytes,
                stat.threads, io.get(b"rchar"), io.get(b"read_bytes"), io.get(b"write_bytes"), stat.major_faults, stat.state, pss]  # fmt: skip

    def _watch(self, pid: int) -> Watched | None:
        folder = f"{self._proc}/{pid}"
        stat = keep(f"{folder}/stat", 1024)
        if stat is None:
            self._tree.forget(pid)
            return None
        watched = Watched(
            stat, keep(f"{folder}/schedstat", 128), keep(f"{folder}/io", 512), self._clock() + PSS_FIRST_NS
        )
        self._watched[pid] = watched
        return watched

    def _role(self, pid: int, ppid: int) -> str:
        if pid in self._own or ppid == os.getpid() or (not self._supervised and self._is_ours(pid)):
            return "gpuwatch"
        if self._supervised and pid in self._tree.supervisors - self._tree.hooked:
            return "gpuwatch"
        return "hooked" if pid in self._tree.hooked else "tree"

    def _is_ours(self, pid: int) -> bool:
        """Say whether a process that the training has started is gpuwatch's: what draws a notebook's panel. Known for each."""
        if pid not in self._started:
            try:
                with open(f"{self._proc}/{pid}/cmdline", "rb") as file:
                    self._started[pid] = _OURS in file.read(_LONGEST_COMMAND)
            except OSError:
                return False
        return self._started[pid]

    def _pss(self, pid: int, watched: Watched, stat: Stat, t: int) -> int | None:
        if t < watched.pss_due or stat.rss_bytes > PSS_MAX_RSS or pid not in self._tree.hooked:
            return None
        pss = read_pss(f"{self._proc}/{pid}/smaps_rollup")
        watched.pss_gap = min(PSS_FACTOR * watched.pss_gap, PSS_EVERY_NS)
        # The floor on its cost holds from the third reading on; two give no slope.
        dear = int((self._clock() - t) / PSS_SHARE) if watched.pss_gap > PSS_FACTOR * PSS_FIRST_NS else 0
        watched.pss_due = t + max(watched.pss_gap, dear)
        return pss


def parse_stat(raw: bytes) -> Stat:
    """Return what one /proc/PID/stat line says; the name may hold blanks and brackets."""
    if not raw:
        raise ValueError("empty stat")
    start, end = raw.index(b"("), raw.rindex(b")")
    f = raw[end + 2 :].split()
    cpu_ns = (int(f[11]) + int(f[12])) * _TICK_NS
    return Stat(
        raw[start + 1 : end].decode("utf-8", "replace"),
        f[0].decode(),
        int(f[1]),
        int(f[9]),
        cpu_ns,
        int(f[17]),
        int(f[21]) * _PAGE,
    )


def read_pss(path: str) -> int | None:
    """Return the proportional set size in bytes: shared pages counted by their share."""
    try:
        with open(path, "rb") as file:
            found = _PSS.search(file.read())
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def _delay_ns(file: KeptFile | None) -> int | None:
    """Return how long the main thread was runnable without a core (the kernel counts it per thread)."""
    try:
        parts = file.read().split() if file else []
    except OSError:
        return None
    return int(parts[1]) if len(parts) == 3 else None


def _io(file: KeptFile | None) -> dict[bytes, int]:
    try:
        return {name: int(value) for name, value in _IO.findall(file.read())} if file else {}
    except OSError:
        return {}
