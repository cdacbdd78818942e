"""What the trainer tells its workers while the timer samples: whether it waits, and for whom. A small file, mapped by all."""

import mmap
import os
import struct

_LAYOUT = struct.Struct("<qq")  # 1 while the trainer waits for a batch, pid of the worker that owes it


def tell(shared, waits, pid=0):
    """Write whether the trainer waits, and the pid of the worker that owes the batch."""
    _LAYOUT.pack_into(shared, 0, waits, pid)


def told(shared):
    """Return (whether the trainer waits, pid of the worker that owes the batch)."""
    return _LAYOUT.unpack_from(shared)


def _path(pid):
    return os.path.join(os.environ.get("GPUWATCH_RUN", ""), "spool", "%d.waiting" % pid)


def create():
    """Return the trainer's map of its own file; None where there can be none."""
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


def of_trainer(pid):
    """Return a worker's map of its trainer's file; None while there is none."""
    try:
        with open(_path(pid), "rb") as file:
            return mmap.mmap(file.fileno(), _LAYOUT.size, access=mmap.ACCESS_READ)
    except (OSError, ValueError, TypeError):
        return None
