"""A small file that the trainer and its workers map while lines are sampled: whether it waits for a batch, and of whom."""

from __future__ import annotations

import mmap
import os
import struct

_LAYOUT = struct.Struct("<qq")  # 1 while the trainer waits for a batch, pid of the worker that owes it


def write(shared: mmap.mmap, waits: bool, pid: int = 0) -> None:
    """Write whether the trainer waits, and the pid of the worker that owes the batch."""
    _LAYOUT.pack_into(shared, 0, waits, pid)


def read(shared: mmap.mmap) -> tuple[bool, int]:
    """Return (whether the trainer waits, pid of the worker that owes the batch)."""
    waits, pid = _LAYOUT.unpack_from(shared)
    return bool(waits), pid


def _path(pid: int) -> str:
    return os.path.join(os.environ.get("GPUWATCH_RUN", ""), "spool", f"{pid}.waiting")


def create() -> mmap.mmap | None:
    """Return the trainer's map of its own file; None where it cannot be made."""
    path = _path(os.getpid())
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            # Written, not truncated to size: on a full disk a hole would be fatal to touch.
            if os.write(descriptor, bytes(_LAYOUT.size)) != _LAYOUT.size:
                return None
            return mmap.mmap(descriptor, _LAYOUT.size)
        finally:
            os.close(descriptor)
    except (OSError, ValueError):
        return None


def of_trainer(pid: int) -> mmap.mmap | None:
    """Return a worker's map of its trainer's file; None while there is none."""
    try:
        with open(_path(pid), "rb") as file:
            return mmap.mmap(file.fileno(), _LAYOUT.size, access=mmap.ACCESS_READ)
    except (OSError, ValueError):
        return None
