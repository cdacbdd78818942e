"""The tasks of one job on one machine: the folder in which they meet, so that one sampler serves them all.

Each supervisor puts a file there, named like its process id, that holds when it started and the path of its run folder. Whoever holds the lock
on the file LOCK samples; the kernel frees it when its holder ends, however that comes about.
"""

from __future__ import annotations

import os
from pathlib import Path

LOCK = "lock"


def mark(run: Path) -> str:
    """Return what this process puts into its file."""
    return f"{_start_ticks(os.getpid())} {run}"


def tasks_in(folder: Path) -> dict[int, Path]:
    """Return the run folder of each task by its supervisor's process id, of those that still run."""
    found = {}
    try:
        names = os.listdir(folder)
    except OSError:
        return {}
    for name in names:
        if name.isdecimal():
            try:
                started, _, run = (folder / name).read_text().partition(" ")
                # A killed supervisor leaves its file, and its number may be another process's by now.
                if run and started == _start_ticks(int(name)):
                    found[int(name)] = Path(run)
            except OSError:
                continue
    return found


def _start_ticks(pid: int) -> str:
    stat = Path(f"/proc/{pid}/stat").read_bytes()
    return stat[stat.rindex(b")") + 2 :].split()[19].decode()
