"""The machine that measures, and the conditions of a measurement."""

from __future__ import annotations

import os
import platform
import shlex
import signal
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


class Conditions:
    """What a measurement ran under: date, cores, load before and after."""

    def __init__(self) -> None:
        self.began, self.load_before = time.monotonic(), os.getloadavg()[0]

    def told(self, command: str) -> dict[str, object]:
        """Return date, machine, command and loads, as of now."""
        return {
            "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            "cpu": cpu_model(),
            "cores": len(os.sched_getaffinity(0)),
            "load_before": round(self.load_before, 2),
            "load_after": round(os.getloadavg()[0], 2),
            "kernel": platform.release(),
            "python": platform.python_version(),
            "torch": _torch(),
            "seconds": round(time.monotonic() - self.began),
            "command": command,
        }


def sentence(conditions: dict[str, object]) -> str:
    """Return the conditions as the line below a table."""
    return (
        f"`{conditions['command']}`, {conditions['date']}: {conditions['cores']} cores ({conditions['cpu']}), "
        f"Linux {conditions['kernel']}, Python {conditions['python']}, torch {conditions['torch']}; "
        f"load average {conditions['load_before']} before and {conditions['load_after']} after, "
        f"{conditions['seconds']} s in all."
    )


def cpu_model() -> str:
    """Return the processor's name as the kernel tells it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _torch() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("torch")
    except PackageNotFoundError:
        return "none"


def command_line() -> str:
    """Return the command as typed, from the repository's root."""
    return shlex.join([f"scripts/{Path(sys.argv[0]).name}", *sys.argv[1:]])


def aligned(head: list[str], rows: list[list[str]]) -> str:
    """Return a table for a terminal."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [head, *rows]
    )


def end_cleanly_when_terminated() -> None:
    """Let SIGTERM unwind: what was started is ended and temporary folders go."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def progress(text: str) -> None:
    """Say on stderr what is going on."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)
