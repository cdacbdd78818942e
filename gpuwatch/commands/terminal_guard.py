"""Give the terminal back after a dashboard that was killed: python -I -S terminal_guard.py PIPE_FD MODES.

The dashboard holds the other end of the pipe and writes a byte when it has left well. Standard library only, nothing
of gpuwatch: it waits all the time that the dashboard runs.
"""

from __future__ import annotations

import ast
import os
import signal
import sys
import termios

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Alternate screen off, cursor on, mouse reports, bracketed paste and focus reports off, colours back.
RESET = "\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?2004l\x1b[?1004l\x1b[?2048l\x1b[<u\x1b[0m"


def restore(terminal: int, modes: list[Any]) -> None:
    """Give a terminal back: its modes, its main screen, its cursor. Safe to call twice."""
    try:
        os.write(terminal, RESET.encode())
        termios.tcsetattr(terminal, termios.TCSADRAIN, modes)
    except (OSError, termios.error):
        pass


def main(pipe: str, modes: str) -> None:
    """Wait for the dashboard's end."""
    # What ends the dashboard comes to its whole process group; a background process may not be stopped for writing.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGTTOU, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    if not os.read(int(pipe), 1):
        restore(0, ast.literal_eval(modes))


if __name__ == "__main__":
    main(*sys.argv[1:3])
