"""Pressure stall information of the kernel: for how long tasks stood waiting for CPU, I/O or memory."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

from gpuwatch.sources.base import KeptFile, Row

_TOTAL = re.compile(rb"^(some|full) .*total=(\d+)", re.MULTILINE)


class PressureSource:
    """Rows of kind `pressure`: the machine's totals in microseconds, as /proc/pressure counts them."""

    name = "pressure"
    period_s = 1.0
    later_period_s = 1.0

    def __init__(self, clock: Callable[[], int] = time.monotonic_ns, folder: str = "/proc/pressure") -> None:
        self._clock, self._folder = clock, Path(folder)
        self._files: dict[str, KeptFile] = {}

    def probe(self) -> str | None:
        """Return why there is no pressure information, or None."""
        if not self._folder.is_dir():
            return "the kernel was built without PSI, or is older than 4.20"
        try:
            (self._folder / "cpu").read_bytes()
        except OSError as error:
            # EOPNOTSUPP: compiled in, but switched off at boot.
            return f"PSI is switched off ({error.strerror}); boot with psi=1"
        return None

    def open(self) -> None:
        """Keep the three files open."""
        self._files = {name: KeptFile(self._folder / name, 512) for name in ("cpu", "io", "memory")}

    def read(self, now: int) -> list[Row]:
        """Return one row of totals."""
        totals = {name: parse_totals(kept.read()) for name, kept in self._files.items()}
        t = self._clock()
        cpu, io, memory = totals["cpu"], totals["io"], totals["memory"]
        return [
            ["pressure", t, cpu.get("some"), io.get("some"), io.get("full"), memory.get("some"), memory.get("full")]
        ]

    def close(self) -> None:
        """Close the files."""
        for kept in self._files.values():
            kept.close()
        self._files = {}


def parse_totals(raw: bytes) -> dict[str, int]:
    """Return {"some": microseconds, "full": microseconds} of one pressure file; a line that is missing is left out."""
    return {kind.decode(): int(total) for kind, total in _TOTAL.findall(raw)}
