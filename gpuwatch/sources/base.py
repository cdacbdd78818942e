"""What a source is: probe() says why it cannot work, open() / read(now) / close() give rows for the spool."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

Row = list[Any]


class Source(Protocol):
    """One thing that is sampled, each `period_s`, in long runs each `later_period_s`. Only `probe` comes before `open`."""

    name: str
    period_s: float
    later_period_s: float

    def probe(self) -> str | None:
        """Return why this source cannot be read here, in words; None when it can."""

    def open(self) -> None:
        """Take what reading needs (descriptors, handles, a first reading); raise OSError when that fails."""

    def read(self, now: int) -> Iterable[Row]:
        """Return spool rows (kind first, see sources/columns.py). `now`: time.monotonic_ns at the start of the tick."""

    def close(self) -> None:
        """Give everything back; may be called twice."""


class KeptFile:
    """A small kernel file kept open: a reading is one pread.

    A descriptor below /proc/PID answers ESRCH once the process is gone, also when its pid is in use again."""

    def __init__(self, path: str | Path, size: int = 4096) -> None:
        self._size = size
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self) -> bytes:
        """Return the file's present content; raise OSError when it cannot be read any more."""
        return os.pread(self._fd, self._size, 0)

    def close(self) -> None:
        """Close the descriptor; a second call does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def keep(path: str | Path, size: int = 4096) -> KeptFile | None:
    """Return the file kept open, or None when it cannot be opened or read."""
    try:
        kept = KeptFile(path, size)
    except OSError:
        return None
    try:
        kept.read()
    except OSError:
        kept.close()
        return None
    return kept
