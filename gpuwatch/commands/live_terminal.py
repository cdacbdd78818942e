"""The dashboard on a terminal: started, ended by signals, and the terminal given back as it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gpuwatch.commands import terminal_guard
from gpuwatch.commands.live_feed import Feed
from gpuwatch.commands.terminal_guard import restore
from gpuwatch.views.live.app import Dashboard

ENDING = (signal.SIGTERM, signal.SIGHUP)


def watch(feed: Feed) -> None:
    """Show the dashboard until the user leaves, or until it is killed."""
    show(Dashboard(feed.read, feed.save))


def show(app: Dashboard, prepare: Callable[[Dashboard], None] = lambda app: None) -> None:
    """Show a dashboard in this process until the user leaves, or until it is killed."""
    with _guarded():
        received = _shown(app, prepare)
    _end_by(received)


@contextmanager
def _guarded() -> Iterator[None]:
    """Have another process give the terminal back should this one be killed."""
    reading, writing = os.pipe()
    modes = repr(termios.tcgetattr(sys.stdin.fileno()))
    call = [sys.executable, "-I", "-S", terminal_guard.__file__, str(reading), modes]
    try:
        guard = subprocess.Popen(call, pass_fds=(reading,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    finally:
        os.close(reading)
    try:
        yield
    finally:
        os.write(writing, b".")
        os.close(writing)
        guard.wait()


def run(app: Dashboard, prepare: Callable[[Dashboard], None] = lambda app: None) -> None:
    """Run the app; whatever ends it, the terminal is as it was before."""
    _end_by(_shown(app, prepare))


def _shown(app: Dashboard, prepare: Callable[[Dashboard], None] = lambda app: None) -> list[int]:
    """Run the app and give the terminal back; return the signal that ended it, if one did."""
    if not sys.stderr.isatty():
        # Textual draws on stderr, which may go to a file; stdout is the terminal here.
        sys.__stderr__ = sys.__stdout__  # type: ignore[misc]
    with _terminal_kept():
        received = _ended_by_signals(app)
        prepare(app)
        app.run()
    return received


def _end_by(received: list[int]) -> None:
    if received:
        signal.signal(received[0], signal.SIG_DFL)
        os.kill(os.getpid(), received[0])


def _ended_by_signals(app: Dashboard) -> list[int]:
    """End the app on SIGTERM and SIGHUP; return the list that will hold what came."""
    received: list[int] = []

    def end(number: int, frame: Any) -> None:
        received.append(number)
        app.exit("signal")

    for number in ENDING:
        signal.signal(number, end)
    return received


@contextmanager
def _terminal_kept() -> Iterator[None]:
    """Put back the terminal's modes and leave the alternate screen, also when the app broke."""
    saved = termios.tcgetattr(sys.stdin.fileno())
    try:
        yield
    finally:
        restore(sys.stdin.fileno(), saved)
