"""A POSIX timer that interrupts the main thread of this process with a real-time signal.

Why not setitimer(ITIMER_REAL): SIGALRM may be the user's, its timer survives exec (and then kills what was executed),
and the signal may interrupt any thread. A timer of timer_create(2) is deleted by exec, not inherited by fork, bound to
one thread, and its signal number is one that has no handler yet. It is armed for one shot at a time, so
that ticks never pile up behind a slow call.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Callable

_CLOCK_MONOTONIC = 1
_SIGEV_THREAD_ID = 4


class Unavailable(Exception):
    """This process can have no timer; the message says why."""


class _SigEvent(ctypes.Structure):
    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("tid", ctypes.c_int),
        ("pad", ctypes.c_int * 11),
    )


class _TimerSpec(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_long) for name in ("interval_s", "interval_ns", "s", "ns"))


class Ticker:
    """Calls `handler(signal number, frame)` in the main thread once after each `arm`."""

    def __init__(self, handler: Callable[[int, FrameType | None], object]) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise Unavailable("not in the main thread")
        if not sys.platform.startswith("linux") or sys.maxsize < 2**32:
            raise Unavailable("needs 64-bit Linux")
        self.pid = os.getpid()
        self.signal = _free_signal()
        self._library = _library()
        self._spec = _TimerSpec()
        self._timer = ctypes.c_void_p()
        signal.signal(self.signal, handler)
        signal.siginterrupt(self.signal, False)
        self._create()

    def _create(self) -> None:
        event = _SigEvent(None, self.signal, _SIGEV_THREAD_ID, threading.get_native_id())
        if self._library.timer_create(_CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(self._timer)):
            code = ctypes.get_errno()
            signal.signal(self.signal, signal.SIG_DFL)
            raise Unavailable(f"timer_create: {os.strerror(code)}")

    def arm(self, after_ns: int) -> None:
        """Have one tick after `after_ns`; 0 cancels a pending one."""
        self._spec.s, self._spec.ns = divmod(after_ns, 1_000_000_000)
        self._library.timer_settime(self._timer, 0, ctypes.byref(self._spec), None)

    def close(self) -> None:
        """Delete the timer, then give the signal back: in this order a last tick still finds its handler."""
        if os.getpid() == self.pid:
            self._library.timer_delete(self._timer)
        if threading.current_thread() is threading.main_thread():
            signal.signal(self.signal, signal.SIG_IGN)  # a tick on its way is dropped, not fatal
            signal.signal(self.signal, signal.SIG_DFL)


def _free_signal() -> int:
    for number in range(signal.SIGRTMAX - 3, signal.SIGRTMIN + 2, -1):
        if signal.getsignal(number) == signal.SIG_DFL:
            return number
    raise Unavailable("no free real-time signal")


def _library() -> ctypes.CDLL:
    for name in (None, "librt.so.1"):
        try:
            library = ctypes.CDLL(name, use_errno=True)
            library.timer_create  # noqa: B018 (is it there?)
        except (OSError, AttributeError):
            continue
        library.timer_settime.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
        library.timer_delete.argtypes = [ctypes.c_void_p]
        return library
    raise Unavailable("the C library has no timer_create")
