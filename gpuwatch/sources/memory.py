"""The machine's memory, and the shared memory that DataLoader workers hand their batches over in."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from gpuwatch.sources.base import KeptFile, Row

SHM = "/dev/shm"


class MemorySource:
    """Rows of kind `memory`."""

    name = "memory"
    period_s = 1.0
    later_period_s = 1.0

    def __init__(
        self, clock: Callable[[], int] = time.monotonic_ns, meminfo: str = "/proc/meminfo", shm: str = SHM
    ) -> None:
        self._clock, self._path, self._shm = clock, meminfo, shm
        self._meminfo: KeptFile | None = None

    def probe(self) -> str | None:
        """Return why memory cannot be read, or None."""
        return None if os.access(self._path, os.R_OK) else f"{self._path} cannot be read"

    def open(self) -> None:
        """Keep /proc/meminfo open."""
        self._meminfo = KeptFile(self._path, 8192)

    def read(self, now: int) -> list[Row]:
        """Return one row in bytes; shared memory is None where there is no /dev/shm."""
        assert self._meminfo is not None
        info = parse_meminfo(self._meminfo.read())
        total, used = shm_bytes(self._shm)
        swap = info.get("SwapTotal", 0) - info.get("SwapFree", 0)
        return [["memory", self._clock(), info.get("MemTotal"), info.get("MemAvailable"), swap, total, used]]

    def close(self) -> None:
        """Close /proc/meminfo."""
        if self._meminfo:
            self._meminfo.close()


def parse_meminfo(raw: bytes) -> dict[str, int]:
    """Return /proc/meminfo as bytes per name."""
    found = {}
    for line in raw.decode("ascii", "replace").splitlines():
        name, _, rest = line.partition(":")
        parts = rest.split()
        if len(parts) == 2 and parts[1] == "kB":
            found[name] = int(parts[0]) * 1024
    return found


def shm_bytes(path: str = SHM) -> tuple[int | None, int | None]:
    """Return the size of the shared memory file system and what is used of it, in bytes."""
    try:
        stat = os.statvfs(path)
    except OSError:
        return None, None
    return stat.f_blocks * stat.f_frsize, (stat.f_blocks - stat.f_bfree) * stat.f_frsize
