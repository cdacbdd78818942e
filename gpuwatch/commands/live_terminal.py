"""The dashboard on a terminal: started, ended by signals, and the terminal given back as it was."""

from __future__ import annotations

import os
import signal
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gpuwatch.commands.live_feed import Feed
from gpuwatch.views.live.app import Dashboard

# Alternate screen off, cursor on, mouse reports, bracketed paste and focus reports off, colours back.
RESET = "\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?2004l\x1b[?1004l\x1b[?2048l\x1b[<u\x1b[0m"
ENDING = (signal.SIGTERM, signal.SIGHUP)


def watch(feed: Feed) -> None:
    """Show the dashboard until the person leaves."""
    run(Dashboard(feed.read, feed.save))


def run(app: Dashboard, prepare: Callable[[Dashboard], None] = lambda app: None) -> None:
    """Run the app; whatever ends it, the terminal is as it was before."""
    if not sys.stderr.isatty():
        # Textual draws on stderr, which may go to a file; stdout is the terminal here.
        sys.__stderr__ = sys.__stdout__  # type: ignore[misc]
    with _terminal_kept():
        received = _ended_by_signals(app)
        prepare(app)
        app.run()
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


def restore(terminal: int, saved: list[Any]) -> None:
    """Give a terminal back: its modes, its main screen, its cursor. Safe to call twice."""
    try:
        os.write(terminal, RESET.encode())
        termios.tcsetattr(terminal, termios.TCSADRAIN, saved)
    except (OSError, termios.error):
        pass
