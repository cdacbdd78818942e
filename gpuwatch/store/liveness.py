"""Is a run still going on? From the recorded pids, which a reboot or a busy machine may have given to others."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Literal

from gpuwatch.model.recording import RunInfo

State = Literal["running", "finished", "lost"]
# The sampler writes every second: a spool that another host left alone for this long belongs to no live run.
_QUIET_S = 60.0


def boot_id() -> str | None:
    """Return the kernel's random id of this boot, None where there is no /proc."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None


def start_ticks(pid: int) -> int | None:
    """Return when a process started (field 22 of /proc/PID/stat, clock ticks since boot); None when it is gone or dead.

    Together with the boot id this tells a process from a later one of the same number."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    fields = stat[stat.rindex(")") + 2 :].split()
    return None if fields[0] in "ZX" else int(fields[19])


def state(info: RunInfo, spool: Path) -> State:
    """Return what a run's metadata and processes say: `running`, `finished`, or `lost` (never got its end written)."""
    if info.ended_ns is not None:
        return "finished"
    if info.boot_id is not None and info.boot_id == boot_id():
        alive = _alive(info.supervisor_pid, info.supervisor_start) or _alive(info.child_pid, info.child_start)
        return "running" if alive else "lost"
    if info.host == socket.gethostname():
        return "lost"
    return "running" if _written_lately(spool) else "lost"


def _alive(pid: int | None, started: int | None) -> bool:
    return pid is not None and started is not None and start_ticks(pid) == started


def _written_lately(spool: Path) -> bool:
    try:
        newest = max(entry.stat().st_mtime for entry in os.scandir(spool))
    except (OSError, ValueError):
        return False
    return time.time() - newest < _QUIET_S
