"""Append rows to a spool file so that a SIGKILL tears nothing and a full disk loses only what did not fit."""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from gpuwatch.sources.base import Row
from gpuwatch.sources.columns import COLUMNS
from gpuwatch.words.event_log import FORMAT

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class SpoolFile:
    """One JSON-lines file of rows. Several threads may write: each batch of rows is one write of an O_APPEND descriptor."""

    def __init__(self, path: Path, writer: str) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._header: str | None = header(writer)
        self._torn = False
        self._dropped = 0
        self._reason = ""
        self._append([])

    def write(self, rows: Iterable[Row]) -> None:
        """Append the rows; those that do not fit on the disk are counted and reported once there is room again."""
        lines = [dumps(row) for row in rows]
        if not lines:
            return
        if self._dropped:
            lines.insert(0, dumps(["dropped", time.monotonic_ns(), self._dropped, self._reason]))
        if self._append(lines):
            self._dropped = 0
        else:
            self._dropped += len(lines) - (1 if self._dropped else 0)

    def _append(self, lines: Sequence[str]) -> bool:
        lines = [self._header, *lines] if self._header else lines
        data = ("\n" * self._torn + "\n".join(lines) + "\n").encode()
        try:
            written = os.write(self._fd, data)
        except OSError as error:
            self._reason = "disk full" if error.errno in _FULL else str(error.strerror)
            return False
        # A short write leaves half a line: the next batch starts on a new one, and the reader skips the half.
        self._torn = written < len(data)
        if self._torn:
            self._reason = "disk full"
        else:
            self._header = None
        return not self._torn

    def gone(self) -> bool:
        """Tell whether the file was deleted (somebody removed the run folder)."""
        return os.fstat(self._fd).st_nlink == 0

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def dumps(row: Row | dict[str, object]) -> str:
    """Return a row as one line of strict JSON; what is not a number becomes null."""
    try:
        return json.dumps(row, separators=(",", ":"), allow_nan=False)
    except ValueError:
        return json.dumps(json.loads(json.dumps(row), parse_constant=lambda _: None), separators=(",", ":"))


def header(writer: str) -> str:
    """Return the first line of a spool file of ours."""
    facts: dict[str, object] = {
        "format": FORMAT,
        "writer": writer,
        "pid": os.getpid(),
        "ppid": os.getppid(),
        "host": socket.gethostname(),
    }
    facts |= {
        "mono_ns": time.monotonic_ns(),
        "wall_ns": time.time_ns(),
        "process_start_ns": None,
        "python": sys.version.split()[0],
    }
    facts |= {"executable": sys.executable, "argv": [], "rank": None, "local_rank": None, "world_size": None}
    return dumps(facts | {"columns": COLUMNS})
