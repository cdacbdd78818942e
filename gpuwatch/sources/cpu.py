"""The whole machine's cores: per-core busy share, cores in iowait, load.

Read from a kept /proc/stat: importing psutil for this one table would double the sampler's start-up.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence

from gpuwatch.sources.base import KeptFile, Row

# A shorter stretch holds too few of the kernel's 10 ms ticks to be a share of anything.
MIN_INTERVAL_NS = 50_000_000

# Columns of a core's line: user, nice, system, idle, iowait, irq, softirq, steal; guest time is inside user already.
_IDLE, _IOWAIT, _COLUMNS = 3, 4, 8

Cores = Mapping[int, Sequence[int]]


class CpuSource:
    """Rows of kind `cpu`."""

    name = "cpu"
    period_s = 1.0
    later_period_s = 2.0

    def __init__(self, clock: Callable[[], int] = time.monotonic_ns, path: str = "/proc/stat") -> None:
        self._clock, self._path = clock, path
        self._file: KeptFile | None = None
        self._last: tuple[int, Cores] | None = None

    def probe(self) -> str | None:
        """Return why the cores cannot be read, or None."""
        return None if os.access(self._path, os.R_OK) else f"{self._path} cannot be read"

    def open(self) -> None:
        """Take the first reading that shares are counted from."""
        # The cores come first; the interrupt counters behind them are long, and not wanted.
        self._file = KeptFile(self._path, 4096 + 128 * (os.cpu_count() or 1))
        self._last = (self._clock(), parse_cores(self._file.read()))

    def read(self, now: int) -> list[Row]:
        """Return one row, or none while too little time has passed since the last."""
        assert self._file is not None and self._last is not None
        cores, t = parse_cores(self._file.read()), self._clock()
        before_t, before = self._last
        if t - before_t < MIN_INTERVAL_NS:
            return []
        self._last = (t, cores)
        busy, iowait = shares(before, cores)
        return [["cpu", t, t - before_t, busy, iowait, round(os.getloadavg()[0], 2)]]

    def close(self) -> None:
        """Close /proc/stat."""
        if self._file:
            self._file.close()


def allowed_cpus() -> tuple[list[int], list[int]] | None:
    """Return the cores that this process was given and those that its cgroup would let it have; None where there are no masks.

    The kernel cuts a mask down to the cgroup's cpuset, under version 1 and 2 and inside of containers: so this thread asks
    for all cores for a moment, and goes back."""
    try:
        given = os.sched_getaffinity(0)
    except (AttributeError, OSError):
        return None
    try:
        os.sched_setaffinity(0, range(max(os.cpu_count() or 1, *given) + 1))
        allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, given)
    except OSError:
        allowed = given
    return sorted(given), sorted(allowed)


def parse_cores(raw: bytes) -> dict[int, list[int]]:
    """Return the kernel's time counters per core that is online, from /proc/stat."""
    lines = (line.split() for line in raw.splitlines() if line.startswith(b"cpu") and not line.startswith(b"cpu "))
    return {
        int(parts[0][3:]): [int(part) for part in parts[1 : _COLUMNS + 1]] for parts in lines if len(parts) > _COLUMNS
    }


def shares(before: Cores, after: Cores) -> tuple[list[float], float]:
    """Return each core's busy share (0..1) between two readings, and how many cores stood in iowait.

    A core that was switched on in between is left out once: it has no share yet."""
    busy, iowait = [], 0.0
    for core in sorted(before.keys() & after.keys()):
        deltas = [max(0, b - a) for a, b in zip(before[core], after[core], strict=True)]
        total = sum(deltas) or 1
        # A core without a tick slept through: tickless idle.
        busy.append(round(1 - (deltas[_IDLE] + deltas[_IOWAIT]) / total, 3) if any(deltas) else 0.0)
        iowait += deltas[_IOWAIT] / total
    return busy, round(iowait, 3)
