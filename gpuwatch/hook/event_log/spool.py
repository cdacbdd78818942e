"""The process's spool file: append-only JSON lines that survive SIGKILL, fork, full disks and closed descriptors.

Every event is handed to the kernel by `os.write` on an O_APPEND descriptor: nothing waits for another process, nothing
raises into the caller. What could not be written is counted and said once writing works again. Events of steps shorter
than 10 ms (`later`) are written together, those of steps that are only timed in turns (`pace`) every 50 ms: no older
ones can be lost with a killed process.
"""

import collections
import errno
import fcntl
import json
import os
import threading
import time

from . import columns, identity

now_ns = time.monotonic_ns
_encode = json.JSONEncoder(separators=(",", ":"), default=str).encode
# User code closes and re-uses low descriptors (daemonising, subprocess helpers).
_LOWEST_DESCRIPTOR = 200
_MOST_REOPENINGS = 16
_TOGETHER_NS = 10_000_000
_MOST_TOGETHER = 200
_MOST_ERRORS = 8  # of one place: the same failure at each batch is not news
_DEBUG = bool(os.environ.get("GPUWATCH_DEBUG"))


class Spool:
    """Append events to one file per process under `folder`; opened at the first event."""

    def __init__(self, folder):
        self.folder = folder
        self.lock = threading.RLock()
        # What collects events of its own: each thing's `take()` gives (template, values), or None.
        self.gather = []
        self._forget()

    def _forget(self):
        self.descriptor = -1
        self.file_id = None
        self.path = None
        self.opening = False
        self.openings = 0
        self.lost = 0
        self.lost_reason = None
        self.torn = False
        self.unsure = True
        self.end = 0
        self.pending = collections.deque()
        self.flushed_ns = 0
        self.errors = {}

    def after_fork(self):
        """Start a file of our own: the parent goes on writing to the inherited one."""
        inherited = self.descriptor
        file_id = self.file_id
        self.lock = threading.RLock()
        self._forget()
        if inherited >= 0 and _is_file(inherited, file_id):
            os.close(inherited)

    def write(self, line):
        """Append `line` (bytes, newline at its end), after what is pending; on trouble count it as lost."""
        with self.lock:  # another thread may be writing what this one said before
            if self.pending or self.gather:
                self.flush()
            self._append(line)

    def later(self, template, values, at_ns, together_ns=0):
        """Append the line `template % values` (None becomes null): at once if nothing was for 10 ms before `at_ns`, or
        for `together_ns` if that is longer.

        With `at_ns` 0 it goes with the next line, which must be near.
        """
        self.pending.append((template, values))
        if at_ns - self.flushed_ns >= (together_ns or _TOGETHER_NS) or len(self.pending) >= _MOST_TOGETHER:
            self.flush(at_ns)

    def flush(self, at_ns=0):
        """Append what is pending; `at_ns`: now, if the caller knows."""
        self.flushed_ns = at_ns or self.flushed_ns
        with self.lock:
            lines = []
            try:
                self.pending.extendleft(filter(None, [one.take() for one in self.gather]))
                while self.pending:
                    template, values = self.pending.popleft()
                    lines.append(template % values)
            except Exception as trouble:
                self._lose(type(trouble).__name__)
            if lines:
                self._append("".join(lines).replace("None", "null").encode())

    def _append(self, lines):
        try:
            if (self.unsure or not self._in_place()) and not self._prepare():
                return self._lose("not open", lines)
            written = os.write(self.descriptor, lines)
            self.end += written
            if written != len(lines):
                self.torn = not lines[:written].endswith(b"\n")
                self._lose("ENOSPC", lines[written:])
        except OSError as trouble:
            self._lose(errno.errorcode.get(trouble.errno, "OSError"), lines)
        except Exception as trouble:  # whatever it is, it must not reach the training
            self._lose(type(trouble).__name__, lines)

    def _in_place(self):
        # Cheaper than fstat: only our file stands where our last write left it.
        try:
            return os.lseek(self.descriptor, 0, os.SEEK_CUR) == self.end
        except OSError:
            return False

    def _prepare(self):
        if (self.descriptor < 0 or not _is_file(self.descriptor, self.file_id)) and self._open() < 0:
            return False
        if self.lost or self.torn:
            self._confess(self.descriptor)
        self.end = os.lseek(self.descriptor, 0, os.SEEK_CUR)
        self.unsure = bool(self.lost or self.torn)
        return True

    def _confess(self, descriptor):
        lost, reason = self.lost, self.lost_reason
        text = ["dropped", now_ns(), lost, reason] if lost else None
        # The newline first closes the line that was torn when the disk filled up.
        line = (b"\n" if self.torn else b"") + (_encode(text).encode() + b"\n" if text else b"")
        if os.write(descriptor, line) != len(line):
            raise OSError(errno.ENOSPC, "torn")
        self.torn = False
        self.lost -= lost

    def _lose(self, reason, lines=b"\n"):
        self.lost += lines.count(b"\n")
        self.lost_reason = reason
        self.unsure = True

    def _open(self):
        with self.lock:
            if self.descriptor >= 0 and _is_file(self.descriptor, self.file_id):
                return self.descriptor
            if self.opening or not self.folder or self.openings >= _MOST_REOPENINGS:
                return -1
            self.opening = True
            try:
                self.openings += 1
                self.descriptor = -1
                return self._open_file()
            finally:
                self.opening = False

    def _open_file(self):
        flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
        fresh = self.path is None
        if fresh:
            self.path = os.path.join(self.folder, "%d-%d.jsonl" % (os.getpid(), now_ns()))
            flags |= os.O_CREAT | os.O_EXCL
        try:
            descriptor = _raise_descriptor(os.open(self.path, flags, 0o600))
        except OSError:
            self.path = None if fresh else self.path
            raise
        stat = os.fstat(descriptor)
        self.file_id = (stat.st_dev, stat.st_ino)
        if fresh:
            header = identity.header()
            header["columns"] = {kind: list(names) for kind, names in columns.COLUMNS.items()}
            os.write(descriptor, _encode(header).encode() + b"\n")
        self.descriptor = descriptor
        return descriptor


def _is_file(descriptor, file_id):
    try:
        stat = os.fstat(descriptor)
    except OSError:
        return False
    return (stat.st_dev, stat.st_ino) == file_id


def _raise_descriptor(descriptor):
    try:
        high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _LOWEST_DESCRIPTOR)
    except OSError:
        return descriptor
    os.close(descriptor)
    return high


def _folder():
    run = os.environ.get("GPUWATCH_RUN")
    return os.path.join(run, "spool") if run else None


_SPOOL = Spool(_folder())
os.register_at_fork(after_in_child=lambda: _SPOOL.after_fork())

# For callers that format their own: a whole line as bytes, now; or a template and its values, within 10 ms.
write = _SPOOL.write
later = _SPOOL.later
flush = _SPOOL.flush
gather = _SPOOL.gather


def event(kind, *values):
    """Append one event; `values` are the columns of `kind` in their order, missing ones at the end left out."""
    try:
        line = _encode((kind,) + values).encode() + b"\n"
    except Exception as trouble:
        return _SPOOL._lose(type(trouble).__name__)
    _SPOOL.write(line)


def meta(key, value):
    """Append a fact about the process."""
    event("meta", now_ns(), key, value)


def error(where, raised):
    """Append that the hook failed at `where`, the first times; with GPUWATCH_DEBUG in the environment raise it then."""
    count = _SPOOL.errors[where] = _SPOOL.errors.get(where, 0) + 1
    if count <= _MOST_ERRORS:
        meta("hook_error", "%s: %s: %s" % (where, type(raised).__name__, _text(raised)))
    if _DEBUG:
        raise raised


def _text(raised):
    try:
        return str(raised)
    except Exception as broken:  # an exception of the user's may fail to describe itself
        return "<%s in __str__>" % type(broken).__name__


def lost_events():
    """Return how many events were lost and not yet confessed in the file."""
    return _SPOOL.lost


def path():
    """Return the spool file's path; None before the first event."""
    return _SPOOL.path


def use_folder(folder):
    """Write to `folder` from the next event on, in a new file."""
    _SPOOL.flush()
    descriptor, file_id = _SPOOL.descriptor, _SPOOL.file_id
    _SPOOL._forget()
    _SPOOL.folder = folder
    if descriptor >= 0 and _is_file(descriptor, file_id):
        os.close(descriptor)
