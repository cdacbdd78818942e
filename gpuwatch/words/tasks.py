"""The tasks of one job on one machine: the folder in which they meet, so that one sampler serves them all.

Each supervisor puts a file there, named like its process id, that holds the path of its run folder. Whoever holds the lock
on the file LOCK samples; the kernel frees it when its holder ends, however that comes about.
"""

from __future__ import annotations

import os
from pathlib import Path

LOCK = "lock"


def tasks_in(folder: Path) -> dict[int, Path]:
    """Return the run folder of each task by its supervisor's process id; of what cannot be read, nothing."""
    found = {}
    try:
        names = os.listdir(folder)
    except OSError:
        return {}
    for name in names:
        if name.isdecimal():
            try:
                found[int(name)] = Path((folder / name).read_text())
            except (OSError, ValueError):
                continue
    return found
