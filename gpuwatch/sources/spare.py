"""How many cores stood idle lately: what looks at the training may look oftener where that takes nothing from it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from gpuwatch.sources.base import keep
from gpuwatch.sources.cpu import MIN_INTERVAL_NS, Cores, parse_cores, shares


class SpareCores:
    """Counts idle cores between two looks. `quota`: a limit of the cgroup takes its time from the run, idle cores or not."""

    def __init__(
        self, quota: float | None = None, path: str = "/proc/stat", clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._file = None if quota else keep(path, 4096 + 128 * (os.cpu_count() or 1))
        self._clock = clock
        self._last: tuple[int, Cores] | None = None
        self.idle: float | None = None

    def look(self) -> None:
        """Note how many of this process' cores were idle since the last look; None where that is not known."""
        if self._file is None:
            return
        try:
            now, cores = self._clock(), parse_cores(self._file.read())
            mine = {core: counters for core, counters in cores.items() if core in os.sched_getaffinity(0)}
        except (OSError, AttributeError, ValueError, IndexError):
            self.idle = None
            return
        if self._last is not None:
            since, before = self._last
            if now - since < MIN_INTERVAL_NS:
                return
            self.idle = sum(1 - share for share in shares(before, mine)[0])
        self._last = now, mine
