"""JSON that parsers refuse, made readable: what profilers are known to write, and single broken events."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

import orjson

# Bandwidths that were divided by nothing: Kineto writes what C++ prints.
_NUMBERS = re.compile(r"(?<=[:\[,])(\s*)[-+]?(?:inf(?:inity)?|nan(?:\([^)]*\))?)(?=\s*[,}\]])", re.IGNORECASE)
# Windows' paths and lambda names with a backslash of their own.
_BACKSLASH = re.compile(r'\\(?!["\\/bfnrt]|u[0-9a-fA-F]{4})')
_DECODER = json.JSONDecoder(strict=False)
_NEXT = re.compile(r"\}\s*,\s*(?=\{)")
_SPACE = re.compile(r"[\s,]*")


class Salvaged(NamedTuple):
    """Events read one by one. `used`: the bytes that are done with; `ended`: the list's end was reached there."""

    events: list[Any]
    used: int
    skipped: int
    ended: bool


def mended(data: bytes) -> str:
    """Return the text of JSON with bytes that are no UTF-8 replaced, and with what JSON has no word for as null."""
    text = data.decode("utf-8", "replace")
    return _BACKSLASH.sub(r"\\\\", _NUMBERS.sub(r"\1null", text))


def loads(data: bytes) -> Any:
    """Return the value of JSON that a strict parser refused. Raises ValueError."""
    text = mended(data)
    try:
        return orjson.loads(text)
    except ValueError:
        pass
    try:
        return json.loads(text, strict=False)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def salvage(data: bytes, last: bool) -> Salvaged:
    """Return the events at the start of a list's data, one by one; what cannot be read is skipped up to the next one.

    Without `last` an event at the end that is not complete is left for later."""
    text = data.decode("latin-1")  # a character a byte, so that positions are the file's
    events: list[Any] = []
    at = skipped = 0
    while True:
        at = _SPACE.match(text, at).end()  # type: ignore[union-attr]
        if at >= len(text):
            return Salvaged(events, at, skipped, False)
        if text[at] == "]":
            return Salvaged(events, at + 1, skipped, True)
        event, end = _one(text, at)
        if end:
            events.append(event)
            at = end
            continue
        following = _NEXT.search(text, at + 1)
        if following is None:
            return Salvaged(events, len(text) if last else at, skipped + last, False)
        event, end = _one(mended(data[at : following.start() + 1]), 0)
        if end:
            events.append(event)
        skipped += not end
        at = following.end()


def _one(text: str, at: int) -> tuple[Any, int]:
    """Return one JSON value and where it ends; 0 where there is none."""
    try:
        value, end = _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError):
        return None, 0
    return _in_utf8(value), end


def _in_utf8(value: Any) -> Any:
    """Return an event whose texts were read as Latin-1 as what they are."""
    if isinstance(value, str):
        return value.encode("latin-1", "replace").decode("utf-8", "replace")
    if isinstance(value, dict):
        return {_in_utf8(key): _in_utf8(item) for key, item in value.items()}
    return [_in_utf8(item) for item in value] if isinstance(value, list) else value
