"""The process's spool file, in which the hook writes its events: JSON lines, the first of them the header.

Events of steps shorter than 10 ms (`later`) are written together, those of steps that are only timed in turns
(`trainer/step_sampling`) every 40 ms: no older ones can be lost with a killed process.
"""

from __future__ import annotations

import collections
import os

from ..process import process
from . import columns, identity
from .append_file import AppendFile, encode, now_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    class Collector(Protocol):
        """What collects events by itself until the next flush."""

        def take(self) -> tuple[str, tuple[Any, ...]] | None: ...


_TOGETHER_NS = 10_000_000
_MOST_TOGETHER = 200
_MOST_ERRORS = 8  # of one place: the same failure at each batch is not news
_DEBUG = bool(os.environ.get("GPUWATCH_DEBUG"))


class Spool(AppendFile):
    """Write events to one file per process in `folder`, some of them at once, some with the next ones."""

    def __init__(self, folder: str | None) -> None:
        self.gather: list[Collector] = []
        super().__init__(folder, _header)

    def reset(self) -> None:
        """Begin a new file with the next event, with nothing pending."""
        super().reset()
        self.pending: collections.deque[tuple[str, tuple[Any, ...]]] = collections.deque()
        self.flushed_ns = 0
        self.errors: dict[str, int] = {}

    def write(self, line: bytes) -> None:
        """Append `line`, with a newline at its end, after what is pending; where that fails count it as lost."""
        with self.lock:  # another thread may be writing earlier events of this one
            if self.pending or self.gather:
                self.flush()
            self.append(line)

    def later(self, template: str, values: tuple[Any, ...], at_ns: int, together_ns: int = 0) -> None:
        """Append the line `template % values`: at once if nothing was for 10 ms before `at_ns`, or for `together_ns` if
        that is longer.

        Values are numbers, None (it becomes null) and JSON arrays of these, never names: encoding value by value would
        cost each step some microseconds. With `at_ns` 0 it goes with the next line, which must be near.
        """
        self.pending.append((template, values))
        if at_ns - self.flushed_ns >= (together_ns or _TOGETHER_NS) or len(self.pending) >= _MOST_TOGETHER:
            self.flush(at_ns)

    def flush(self, at_ns: int = 0) -> None:
        """Append what is pending; `at_ns`: now, if the caller knows."""
        self.flushed_ns = at_ns or self.flushed_ns
        with self.lock:
            lines = []
            try:
                self.pending.extendleft(filter(None, [one.take() for one in self.gather]))
                while self.pending:
                    template, values = self.pending.popleft()
                    lines.append(template % values)
            except Exception as error:
                self.lose(type(error).__name__)
            if lines:
                self.append("".join(lines).replace("None", "null").encode())

    def is_news(self, where: str) -> bool:
        """Count an error of the hook; return whether it is one of the first of its place."""
        self.errors[where] = self.errors.get(where, 0) + 1
        return self.errors[where] <= _MOST_ERRORS


def _header() -> bytes:
    header = identity.header()
    header["columns"] = {kind: list(names) for kind, names in columns.COLUMNS.items()}
    return encode(header).encode() + b"\n"


def _folder() -> str | None:
    run = os.environ.get("GPUWATCH_RUN")
    return os.path.join(run, "spool") if run else None


_spool = process.own(Spool(_folder()))

# For callers that format their own: a whole line as bytes, now; or a template and its values, within 10 ms.
write = _spool.write
later = _spool.later
flush = _spool.flush
# What collects events of its own until they are flushed.
gather = _spool.gather


def event(kind: str, *values: Any) -> None:
    """Append one event; `values` are the columns of `kind` in their order, missing ones at the end left out."""
    try:
        line = encode((kind, *values)).encode() + b"\n"
    except Exception as error:
        _spool.lose(type(error).__name__)
        return
    _spool.write(line)


def meta(key: str, value: Any) -> None:
    """Append a fact about the process."""
    event("meta", now_ns(), key, value)


def error(where: str, raised: Exception) -> None:
    """Append that the hook failed at `where`, the first times; with GPUWATCH_DEBUG in the environment raise it then."""
    if _spool.is_news(where):
        meta("hook_error", f"{where}: {type(raised).__name__}: {_text(raised)}")
    if _DEBUG:
        raise raised


def _text(raised: Exception) -> str:
    try:
        return str(raised)
    except Exception as broken:  # an exception of the user's may fail to describe itself
        return f"<{type(broken).__name__} in __str__>"


def use_folder(folder: str | None) -> None:
    """Write to `folder` from the next event on, in a new file."""
    _spool.flush()
    _spool.leave()
    _spool.folder = folder
