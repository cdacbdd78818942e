"""The events of a Chrome trace, some thousands at a time: the file is never in memory as a whole, nor as objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from gpuwatch.errors import GpuwatchError
from gpuwatch.traces import repair
from gpuwatch.traces.unpacked import Unpacked

# So much at once: its objects fit into a core's cache, which makes reading twice as fast as with 4 MB.
BATCH = 1 << 17
# What stands before the events is small; a file without them is no trace.
HEAD_LIMIT = 1 << 26
_LIST = re.compile(rb'"traceEvents"\s*:\s*\[')
_BETWEEN = re.compile(rb"\}\s*,\s*\{")
_END = re.compile(rb"\}\s*\]")
_SPACE = re.compile(rb"[,\s]*")
_ENDS_TRIED = _CUTS_TRIED = 4
# So much without one event that can be read is no trace any more.
_UNREADABLE = 1 << 26
RECORD_AGAIN = "It is no Chrome trace of torch.profiler (export_chrome_trace)"


class ChromeTrace:
    """Iterate over the batches of a trace's events; then `header` holds the other keys, `skipped` and `torn` what was lost."""

    def __init__(self, source: Unpacked) -> None:
        self.header: dict[str, Any] = {}
        self.skipped, self.torn = 0, False
        self._source = source

    def __iter__(self) -> Iterator[list[Any]]:
        pieces = iter(self._source)
        rest = self._after_head(pieces)
        ended, size = False, len(rest)
        buffer = [rest]
        for piece in pieces:
            buffer.append(piece)
            size += len(piece)
            if size < BATCH or ended:
                continue
            events, rest, ended = self._batch(b"".join(buffer))
            buffer, size = [rest], len(rest)
            yield events
            if not events and size > _UNREADABLE:
                break
        rest = b"".join(buffer)
        while rest and not ended:
            events, rest, ended = self._last(rest)
            yield events
        self.torn = self._source.torn or not ended
        self._read_header(b'{"":0' + rest, b"")

    def _after_head(self, pieces: Iterator[bytes]) -> bytes:
        """Read up to the list of events. Raises GpuwatchError where there is none."""
        head = b""
        for piece in pieces:
            head += piece
            text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
            if text[:1] == b"[":
                return text[1:]
            if text and text[:1] != b"{":
                break
            found = _LIST.search(text)
            if found:
                self._read_header(text[: found.end()], b"]}")
                return text[found.end() :]
            if len(head) > HEAD_LIMIT:
                break
        if not head.strip():
            raise GpuwatchError(f"{self._source.path} is empty", RECORD_AGAIN.replace("It is no", "Name a"))
        raise GpuwatchError(f"{self._source.path} is no trace: it has no list of events", RECORD_AGAIN)

    def _read_header(self, text: bytes, closing: bytes) -> None:
        """Read the keys beside the events; a header that cannot be read costs names, never the trace."""
        for end in (closing, b""):
            try:
                found = repair.loads(text.rstrip() + end)
            except ValueError:
                continue
            if isinstance(found, dict):
                self.header |= {key: value for key, value in found.items() if key not in ("", "traceEvents")}
            return

    def _batch(self, data: bytes) -> tuple[list[Any], bytes, bool]:
        """Return the events that are complete, the bytes after them, and whether the list ended."""
        cuts = _last_between(data)
        for parse in (orjson.loads, repair.loads):
            for end, begin in cuts[: 1 if parse is repair.loads else _CUTS_TRIED]:
                events = _parsed(data, end + 1, parse)
                if events is not None:
                    return events, data[begin:], False
        return self._salvaged(data, False)

    def _last(self, data: bytes) -> tuple[list[Any], bytes, bool]:
        """Return the events of the file's end, the keys after them, and whether the list ended."""
        if not data.strip(b", \t\r\n"):
            return [], b"", False
        if data.lstrip(b", \t\r\n")[:1] == b"]":
            return [], data.lstrip(b", \t\r\n")[1:], True
        for found in [*_END.finditer(data, max(len(data) - (1 << 16), 0))][-1 : -_ENDS_TRIED - 1 : -1]:
            for parse in (orjson.loads, repair.loads):
                events = _parsed(data, found.start() + 1, parse)
                if events is not None:
                    return events, data[found.end() :], True
        return self._salvaged(data, True)

    def _salvaged(self, data: bytes, last: bool) -> tuple[list[Any], bytes, bool]:
        found = repair.salvage(data, last)
        self.skipped += found.skipped
        return found.events, data[found.used :], found.ended


def _last_between(data: bytes) -> list[tuple[int, int]]:
    """Return where events may end and the next ones begin, the last ones first: one may lie inside an event."""
    for reach in (1 << 12, 1 << 16, len(data)):
        found = [*_BETWEEN.finditer(data, max(len(data) - reach, 0))]
        if len(found) >= _CUTS_TRIED or reach == len(data):
            return [(each.start(), each.end() - 1) for each in found[: -_CUTS_TRIED - 1 : -1]]
    return []


def _parsed(data: bytes, end: int, parse: Callable[[bytes], Any]) -> list[Any] | None:
    """Return the whole events up to a place as a list; None where they cannot be read together."""
    begin = _SPACE.match(data).end()  # type: ignore[union-attr]
    try:
        found = parse(b"".join((b"[", memoryview(data)[begin:end], b"]")))
    except ValueError:
        return None
    return found if isinstance(found, list) else None
