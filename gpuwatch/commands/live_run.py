"""`gpuwatch run --live`: the command on a terminal of its own, its output in the dashboard's log pane.

The dashboard is another process. It may be left, break or be killed: the command and its recording go on, and its
output then goes to the real terminal. The command's output is never held back: what the dashboard does not take
in time it does not see.
"""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import sys
import termios
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gpuwatch.commands.terminal_guard import restore
from gpuwatch.record import Options, Recorded, record
from gpuwatch.supervise import Stdio

LEAVE_S = 5.0
LAST_BYTES = 64 << 10


def record_live(arguments: Sequence[str], options: Options) -> Recorded:
    """Record the command with the dashboard in front. Without a terminal it runs as without --live."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        options.tell("--live needs a terminal; the command runs without the dashboard (gpuwatch top, from another one)")
        return record(arguments, options)
    stage = _Stage(options)
    try:
        return record(arguments, replace(options, stdio=stage.stdio, started=stage.started))
    finally:
        stage.close()


class _Stage:
    """The command's terminal, the dashboard's process, and the thread that carries the output between them."""

    def __init__(self, options: Options) -> None:
        self._also = options.started
        self._saved = termios.tcgetattr(sys.stdin.fileno())
        self._ours, self._theirs = os.openpty()
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, _window_size())
        self._nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self.stdio = Stdio(self._nothing, self._theirs, self._theirs)
        self._dashboard: subprocess.Popen[bytes] | None = None
        self._pipe: int | None = None
        self._left: int | None = None
        self._last: deque[bytes] = deque()
        self._carrier = threading.Thread(target=self._carry, name="gpuwatch-output", daemon=True)

    def started(self, path: Path, pid: int) -> None:
        """Start the dashboard on the run that has just begun."""
        self._also(path, pid)
        reading, self._pipe = os.pipe()
        self._left, leaving = os.pipe()
        os.set_blocking(self._pipe, False)
        call = [sys.executable, "-m", "gpuwatch.commands.live_child", str(path), str(pid), str(reading), str(leaving)]
        try:
            self._dashboard = subprocess.Popen(
                call, pass_fds=(reading, leaving), env={**os.environ, "PYTHONPATH": _our_path()}
            )
        finally:
            os.close(reading)
            os.close(leaving)
            self._carrier.start()

    def close(self) -> None:
        """End the dashboard, give the terminal back, show the end of the output."""
        os.close(self._theirs)
        if self._carrier.is_alive():
            self._carrier.join(LEAVE_S)
        watched = self._dashboard is not None and self._dashboard.poll() is None
        self._close_pipe()
        self._end_dashboard()
        if watched:
            _write(sys.stdout.fileno(), b"".join(self._last)[-LAST_BYTES:])
        for descriptor in (self._ours, self._nothing, self._left):
            if descriptor is not None:
                os.close(descriptor)

    def _end_dashboard(self) -> None:
        """Wait for the dashboard, less and less patiently; give the terminal back when it could not do so itself."""
        dashboard, self._dashboard = self._dashboard, None
        if dashboard is None:
            return
        for end in (lambda: None, dashboard.terminate, dashboard.kill):
            end()
            try:
                dashboard.wait(LEAVE_S)
                break
            except subprocess.TimeoutExpired:
                continue
        # Once only: leaving the alternate screen also puts the cursor where it was before, over what came since.
        # It says so itself when it left well; its exit status may have been taken by the supervisor's wait.
        if self._left is not None and not os.read(self._left, 1):
            restore(sys.stdout.fileno(), self._saved)

    def _carry(self) -> None:
        """Read what the command writes until no process holds its terminal any more."""
        while True:
            try:
                data = os.read(self._ours, 1 << 16)
            except OSError:
                return
            if not data:
                return
            self._remember(data)
            if not self._to_dashboard(data):
                self._to_terminal(data)

    def _remember(self, data: bytes) -> None:
        self._last.append(data)
        while sum(map(len, self._last)) > LAST_BYTES and len(self._last) > 1:
            self._last.popleft()

    def _to_dashboard(self, data: bytes) -> bool:
        """Return False when there is no dashboard (any more)."""
        if self._pipe is None:
            return False
        try:
            os.write(self._pipe, data)
        except BlockingIOError:
            return True
        except OSError:
            self._close_pipe()
            return False
        return True

    def _to_terminal(self, data: bytes) -> None:
        # It has closed the pipe; the terminal is ours once it is gone.
        self._end_dashboard()
        _write(sys.stdout.fileno(), data)

    def _close_pipe(self) -> None:
        if self._pipe is not None:
            pipe, self._pipe = self._pipe, None
            os.close(pipe)


def _write(descriptor: int, data: bytes) -> None:
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except OSError:
        pass


def _window_size() -> bytes:
    try:
        size = os.get_terminal_size(sys.stdout.fileno())
    except OSError:
        size = os.terminal_size((80, 24))
    return struct.pack("HHHH", size.lines, size.columns, 0, 0)


def _our_path() -> str:
    """Return a PYTHONPATH under which the dashboard's process finds this gpuwatch first."""
    root = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
