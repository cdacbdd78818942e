"""A file of lines that this process appends to; it survives SIGKILL, fork, full disks and closed descriptors.

Lines are handed to the kernel by `os.write` on an O_APPEND descriptor: nothing waits for another process, nothing
raises into the caller. What could not be written is counted, and that is written once writing works again.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

now_ns = time.monotonic_ns
encode = json.JSONEncoder(separators=(",", ":"), default=str).encode
# User code closes and re-uses low descriptors (daemonising, subprocess helpers).
_LOWEST_DESCRIPTOR = 200
_MOST_REOPENINGS = 16


class AppendFile:
    """Append lines to one file per process in `folder`; opened at the first one, which `header()` gives."""

    def __init__(self, folder: str | None, header: Callable[[], bytes]) -> None:
        self.folder = folder
        self.header = header
        self.lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Begin a new file with the next line."""
        self.descriptor = -1
        self.file_id: tuple[int, int] | None = None
        self.path: str | None = None
        self.opening = False
        self.openings = 0
        self.lost = 0
        self.lost_reason: str | None = None
        self.torn = False
        self.unsure = True
        self.end = 0

    def after_fork(self) -> None:
        """Begin a file of our own: the parent goes on writing to the inherited one."""
        self.lock = threading.RLock()
        self.leave()

    def leave(self) -> None:
        """Close the file, if it still is the one that we opened, and begin a new one with the next line."""
        descriptor, file_id = self.descriptor, self.file_id
        self.reset()
        if descriptor >= 0 and _is_file(descriptor, file_id):
            os.close(descriptor)

    def append(self, lines: bytes) -> None:
        """Append whole lines; the caller has the lock. Where that fails count them as lost."""
        try:
            if (self.unsure or not self._is_in_place()) and not self._prepare():
                return self.lose("not open", lines)
            written = os.write(self.descriptor, lines)
            self.end += written
            if written != len(lines):
                self.torn = not lines[:written].endswith(b"\n")
                self.lose("ENOSPC", lines[written:])
        except OSError as error:
            self.lose(errno.errorcode.get(error.errno or 0, "OSError"), lines)
        except Exception as error:  # whatever it is, it must not reach the training
            self.lose(type(error).__name__, lines)

    def lose(self, reason: str, lines: bytes = b"\n") -> None:
        """Count lines that will not be written."""
        self.lost += lines.count(b"\n")
        self.lost_reason = reason
        self.unsure = True

    def _is_in_place(self) -> bool:
        # Cheaper than fstat: only our file's offset is where our last write left it.
        try:
            return os.lseek(self.descriptor, 0, os.SEEK_CUR) == self.end
        except OSError:
            return False

    def _prepare(self) -> bool:
        if (self.descriptor < 0 or not _is_file(self.descriptor, self.file_id)) and self._open() < 0:
            return False
        if self.lost or self.torn:
            self._write_dropped()
        self.end = os.lseek(self.descriptor, 0, os.SEEK_CUR)
        self.unsure = bool(self.lost or self.torn)
        return True

    def _write_dropped(self) -> None:
        lost, reason = self.lost, self.lost_reason
        text = encode(["dropped", now_ns(), lost, reason]).encode() + b"\n" if lost else b""
        # The newline first closes the line that was torn when the disk filled up.
        line = (b"\n" if self.torn else b"") + text
        if os.write(self.descriptor, line) != len(line):
            raise OSError(errno.ENOSPC, "torn")
        self.torn = False
        self.lost -= lost

    def _open(self) -> int:
        with self.lock:
            if self.descriptor >= 0 and _is_file(self.descriptor, self.file_id):
                return self.descriptor
            if self.opening or not self.folder or self.openings >= _MOST_REOPENINGS:
                return -1
            self.opening = True
            try:
                self.openings += 1
                self.descriptor = -1
                return self._open_file(self.folder)
            finally:
                self.opening = False

    def _open_file(self, folder: str) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
        path, fresh = self.path, self.path is None
        if path is None:
            path = self.path = os.path.join(folder, f"{os.getpid()}-{now_ns()}.jsonl")
            flags |= os.O_CREAT | os.O_EXCL
        try:
            descriptor = _raise_descriptor(os.open(path, flags, 0o600))
        except OSError:
            self.path = None if fresh else path
            raise
        stat = os.fstat(descriptor)
        self.file_id = (stat.st_dev, stat.st_ino)
        if fresh:
            os.write(descriptor, self.header())
        self.descriptor = descriptor
        return descriptor


def _is_file(descriptor: int, file_id: tuple[int, int] | None) -> bool:
    try:
        stat = os.fstat(descriptor)
    except OSError:
        return False
    return (stat.st_dev, stat.st_ino) == file_id


def _raise_descriptor(descriptor: int) -> int:
    try:
        high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _LOWEST_DESCRIPTOR)
    except OSError:
        return descriptor
    os.close(descriptor)
    return high
