"""What this thread and this process have used so far: run-queue delay, bytes read, time in the garbage collector.

A thread's run-queue delay is the second number of /proc/thread-self/schedstat; bytes requested (`rchar`) and bytes
fetched from storage (`read_bytes`) are in /proc/self/io (proc(5)). Both files are kept open.
"""

from __future__ import annotations

import gc
import os
import threading
import time

from ..process import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

_LOWEST_DESCRIPTOR = 200  # out of the way of user code that closes or counts low ones
_THREAD_LIMIT = 16
_now_ns = time.monotonic_ns


class _Readings:
    """One thread's readings. `schedstat`: its descriptor, -1 where there is none, None before the first reading."""

    __slots__ = ("collected_ns", "collecting_since", "schedstat")

    def __init__(self) -> None:
        self.schedstat: int | None = None
        self.collected_ns = self.collecting_since = 0


class _Thread(threading.local):
    def __init__(self) -> None:
        self.readings = _Readings()

    def after_fork(self) -> None:
        # The descriptor that the child inherited is its parent's; no thread but this one lives on in the child.
        self.readings.schedstat = None

    def begin_anew(self) -> None:
        """Keep it: it is this thread's."""


class _Descriptors:
    """The process's descriptors: of /proc/self/io, as of a thread's schedstat; and how many threads have one."""

    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        self.io: int | None = None
        self.threads = 0

    def begin_anew(self) -> None:
        """Keep them: they are this process's."""


class _Collector:
    """Times garbage collections, in the thread that each one stops, and passes each on to the listeners."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[int], None]] = []

    def after_fork(self) -> None:
        """Keep the listeners: the callbacks of `gc` are inherited, too."""


_thread = process.own(_Thread())
_descriptors = process.own(_Descriptors())
_collector = process.own(_Collector())


def thread_delay_ns() -> int | None:
    """Return how long this thread has been runnable without a core since it began; None where the kernel has no number."""
    readings = _thread.readings
    descriptor = readings.schedstat
    if descriptor is None:
        descriptor = readings.schedstat = _open_for_thread()
    if descriptor < 0:
        return None
    try:
        _ran_ns, delay_ns, _slices = os.pread(descriptor, 96, 0).split()
        return int(delay_ns)
    except (OSError, ValueError):
        readings.schedstat = -1
        return None


def process_io() -> tuple[int | None, int | None]:
    """Return (rchar, read_bytes) of this process so far; (None, None) where the kernel has no numbers."""
    if _descriptors.io is None:
        _descriptors.io = _open("/proc/self/io")
    if _descriptors.io < 0:
        return None, None
    try:
        words = os.pread(_descriptors.io, 400, 0).split(None, 10)
        if words[0] != b"rchar:":
            raise ValueError(words[0])
        return int(words[1]), int(words[9])
    except (OSError, ValueError, IndexError):
        _descriptors.io = -1
        return None, None


def collected_ns() -> int:
    """Return the time that Python's garbage collector has run in this thread; needs `watch_collector`."""
    return _thread.readings.collected_ns


def watch_collector(listener: Callable[[int], None] | None = None) -> None:
    """Time garbage collections from now on, and call `listener(took_ns)` after each, in the thread that it stopped."""
    if listener is not None and listener not in _collector.listeners:
        _collector.listeners.append(listener)
    if _on_collection not in gc.callbacks:
        gc.callbacks.append(_on_collection)


def stop_watching_collector() -> None:
    """Undo `watch_collector`: at exit, before the interpreter takes its modules apart."""
    if _on_collection in gc.callbacks:
        gc.callbacks.remove(_on_collection)


def _on_collection(
    phase: str,
    _info: dict[str, int],
    thread: _Thread = _thread,
    listeners: list[Callable[[int], None]] = _collector.listeners,
    clock: Callable[[], int] = _now_ns,
) -> None:
    # Bound as defaults: this may run after the interpreter has taken the module's names away.
    readings = thread.readings
    if phase == "start":
        readings.collecting_since = clock()
    elif readings.collecting_since:
        took_ns = clock() - readings.collecting_since
        readings.collected_ns += took_ns
        readings.collecting_since = 0
        for listener in listeners:
            listener(took_ns)


def thread_count() -> int | None:
    """Return the number of OS threads of this process; None where there is no /proc."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return None


def _open_for_thread() -> int:
    # A thread's descriptor is never closed: by then its number may be a file of the user's. So: few threads only.
    if _descriptors.threads >= _THREAD_LIMIT:
        return -1
    _descriptors.threads += 1
    return _open("/proc/thread-self/schedstat")


def _open(path: str) -> int:
    try:
        import fcntl

        low = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, _LOWEST_DESCRIPTOR)
        finally:
            os.close(low)
    except (ImportError, OSError):
        return -1
