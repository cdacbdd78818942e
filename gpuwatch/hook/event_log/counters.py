"""What this thread and this process have used so far, from descriptors that are kept open.

A thread's run-queue delay is the second number of /proc/thread-self/schedstat; bytes asked for (`rchar`) and bytes
that really came from storage (`read_bytes`) are in /proc/self/io (proc(5)).
"""

import gc
import os
import threading
import time

_LOWEST_DESCRIPTOR = 200  # out of the way of user code that closes or counts low ones
_THREAD_LIMIT = 16


class _Thread(threading.local):
    schedstat = None
    collected_ns = 0
    collecting_since = 0


class _Process:
    io = None
    threads = 0


_thread = _Thread()
_process = _Process()
_generation = [0]


def thread_delay_ns():
    """Return how long this thread has been runnable without a core since it began; None where not told."""
    kept = _thread.schedstat
    if kept is None or kept[0] != _generation[0]:
        kept = _thread.schedstat = (_generation[0], _open_for_thread())
    if kept[1] < 0:
        return None
    try:
        return int(os.pread(kept[1], 96, 0).split()[1])
    except (OSError, ValueError, IndexError):
        _thread.schedstat = (_generation[0], -1)
        return None


def process_io():
    """Return (rchar, read_bytes) of this process so far; (None, None) where the kernel does not tell."""
    if _process.io is None:
        _process.io = _open("/proc/self/io")
    if _process.io < 0:
        return None, None
    try:
        words = os.pread(_process.io, 400, 0).split(None, 10)
        if words[0] != b"rchar:":
            raise ValueError(words[0])
        return int(words[1]), int(words[9])
    except (OSError, ValueError, IndexError):
        _process.io = -1
        return None, None


def collected_ns():
    """Return the time that Python's garbage collector has run in this thread; needs `watch_collector`."""
    return _thread.collected_ns


def watch_collector():
    """Time garbage collections from now on; a second call changes nothing."""
    if _on_collection not in gc.callbacks:
        gc.callbacks.append(_on_collection)


def _on_collection(phase, _info):
    if phase == "start":
        _thread.collecting_since = time.monotonic_ns()
    elif _thread.collecting_since:
        _thread.collected_ns += time.monotonic_ns() - _thread.collecting_since
        _thread.collecting_since = 0


def thread_count():
    """Return the number of OS threads of this process; None where /proc does not tell."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return None


def _open_for_thread():
    # A thread's descriptor is never closed: by then its number may be a file of the user's. So: few threads only.
    if _process.threads >= _THREAD_LIMIT:
        return -1
    _process.threads += 1
    return _open("/proc/thread-self/schedstat")


def _open(path):
    try:
        import fcntl

        low = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, _LOWEST_DESCRIPTOR)
        finally:
            os.close(low)
    except (ImportError, OSError):
        return -1


def _after_fork():
    # The descriptors that the child inherited tell about its parent.
    _generation[0] += 1
    _process.io = None
    _process.threads = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
