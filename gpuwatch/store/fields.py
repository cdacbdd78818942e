"""Turn many lines of one event kind into columns at once, without a Python object per value.

A day of a large training is some 50 million numbers. Here the separators are found for a whole piece of text, and
digits become integers eight at a time (the SWAR trick: eight ASCII digits in one 64-bit word). Lines that are not
plainly one of their kind are left to the reader's row by row way, so this one never has to guess.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]
Positions = NDArray[np.int64]
# What an integer column holds for null: no event has it.
NULL = -(2**63)
# Fewer lines of a kind than this in one piece are as quick row by row.
_FEW = 64
# Words are read backwards from the end of a number of up to 18 digits.
_PAD = b" " * 24
_MOST_DIGITS = 18
_NULL_WORD = np.uint64(int.from_bytes(b"null", "little"))
_MASKS = np.array([(2**64 - 1) ^ (2 ** (8 * (8 - n)) - 1) for n in range(9)], dtype=np.uint64)


class Cells(list[bytes]):
    """A column of lists or objects, as they were written; decoded when asked for."""

    def decoded(self) -> list[Any]:
        """Return the values; None for one that is no JSON."""
        return [_decode(cell) for cell in self]


Column = NDArray[np.int64] | NDArray[np.float64] | Cells | list[Any]


def _decode(cell: bytes) -> Any:
    try:
        return orjson.loads(cell)
    except ValueError:
        return None


class _Unusual(Exception):
    """Lines that only the row by row way can judge."""


class Piece:
    """A piece of a spool file: whole lines. `take` gives the columns of a kind, `rest` the lines that nobody took."""

    def __init__(self, text: bytes) -> None:
        self._text = _PAD + text
        self._bytes = np.frombuffer(self._text, dtype=np.uint8)
        # The eight bytes at every position.
        self._words: Words = np.ndarray(len(self._bytes) - 7, "<u8", self._bytes, strides=(1,))
        self._stop = np.flatnonzero(self._bytes == ord("\n"))
        self._start = np.concatenate(([len(_PAD)], self._stop[:-1] + 1))
        self._left = np.ones(len(self._start), dtype=bool)
        self._separators, self._sound = self._cut()
        self._first = np.searchsorted(self._separators, self._start)
        self._dots: Positions | None = None
        self._count = np.diff(np.append(self._first, len(self._separators)))

    def _cut(self) -> tuple[Positions, NDArray[np.bool_]]:
        """Find the commas between a line's own fields, and the lines that are one array from end to end."""
        buffer = self._bytes
        opened, closed, comma = buffer == ord("["), buffer == ord("]"), buffer == ord(",")
        sound = (self._stop - self._start > 8) & opened[self._start] & closed[self._stop - 1]
        if np.count_nonzero(opened) == len(self._start) == np.count_nonzero(closed):
            return np.flatnonzero(comma), sound
        depth = np.cumsum(opened.view(np.int8) - closed.view(np.int8), dtype=np.int8)
        comma &= depth == 1
        return np.flatnonzero(comma), sound & (depth[self._start] == 1) & (depth[self._stop - 1] == 0)

    def take(self, kinds: Mapping[str, int]) -> dict[str, list[Column]]:
        """Return the columns of each kind (name: number of columns) that has many lines, all of them regular."""
        found = {}
        for kind in self._frequent() & kinds.keys():
            lines, width = np.flatnonzero(self._of_kind(kind) & self._left), kinds[kind]
            if len(lines) < _FEW or not width or not (self._sound[lines] & (self._count[lines] == width)).all():
                continue
            try:
                found[kind] = self._columns(lines, width)
            except _Unusual:
                continue
            self._left[lines] = False
        return found

    def _frequent(self) -> set[str]:
        """Return the kinds of some lines in equal distances, and of those next to them: kinds may take turns."""
        some = {at + next for at in range(0, len(self._start), max(len(self._start) // 64, 1)) for next in (0, 1, 2)}
        heads = (self._text[start : start + 64] for start in self._start[[i for i in some if i < len(self._start)]])
        return {head.split(b'"', 2)[1].decode(errors="replace") for head in heads if head.count(b'"') >= 2}

    def rest(self) -> bytes:
        """Return the lines that were not taken."""
        if self._left.all():
            return self._text[len(_PAD) :]
        lines = np.flatnonzero(self._left)
        spans = zip(self._start[lines].tolist(), self._stop[lines].tolist(), strict=True)
        return b"".join(self._text[start : stop + 1] for start, stop in spans)

    def _of_kind(self, kind: str) -> NDArray[np.bool_]:
        prefix = f'["{kind}",'.encode()
        last = len(self._words) - 1
        alike = np.ones(len(self._start), dtype=bool)
        for offset in range(0, len(prefix), 8):
            part = prefix[offset : offset + 8]
            mask = np.uint64(2 ** (8 * len(part)) - 1)
            word = self._words[np.minimum(self._start + offset, last)]
            alike &= (word & mask) == np.uint64(int.from_bytes(part, "little"))
        return alike

    def _columns(self, lines: Positions, width: int) -> list[Column]:
        at = self._first[lines] + np.arange(width)[:, None]
        begin = self._separators[at] + 1
        end = np.concatenate((begin[1:] - 1, self._stop[None, lines] - 1))
        head = self._bytes[begin[:, 0]].tobytes()
        numbers = [number for number in range(width) if head[number] not in b'[{"']
        values, null, plain = self._integers(begin[numbers], end[numbers])
        columns: list[Column] = [Cells()] * width
        for row, number in enumerate(numbers):
            odd = np.flatnonzero(~plain[row])
            whole = values[row]
            columns[number] = self._with_odd(whole, null[row], odd, begin[number], end[number]) if len(odd) else whole
        for number in set(range(width)) - set(numbers):
            cells = self._cells(begin[number], end[number])
            columns[number] = cells if head[number] in b"[{" else _strings(cells)
        return columns

    def _integers(self, begin: Positions, end: Positions) -> tuple[Positions, NDArray[np.bool_], NDArray[np.bool_]]:
        """Return the values of fields that are nothing but digits or null; which are null, and which neither is not."""
        length = end - begin
        word = self._words[end - 8]
        null = (length == 4) & ((word >> np.uint64(32)) == _NULL_WORD)
        values, plain = _digits(word, length)
        plain &= length > 0
        for done in range(8, _MOST_DIGITS, 8):
            longer = np.flatnonzero(length > done)
            more, digits = _digits(self._words[end.flat[longer] - 8 - done], length.flat[longer] - done)
            values.flat[longer] += more * np.uint64(10**done)
            plain.flat[longer] &= digits
        plain &= length <= _MOST_DIGITS
        told = values.view(np.int64)
        told[null] = NULL
        return told, null, plain | null

    def _with_odd(
        self, values: Positions, null: NDArray[np.bool_], odd: Positions, begin: Positions, end: Positions
    ) -> Column:
        """Complete a column in which some values are not plain digits: floats, negative numbers, or no numbers."""
        floats = values.astype(np.float64)
        floats[null] = np.nan
        floats[odd], plain = self._decimals(begin[odd], end[odd])
        odd = odd[~plain]
        if not len(odd):
            return floats
        cells = self._cells(begin[odd], end[odd])
        try:
            if plain.any() or b"".join(cells).translate(None, b"-0123456789"):
                floats[odd] = [float(cell) for cell in cells]
                return floats
            values[odd] = [int(cell) for cell in cells]
            return values
        except (ValueError, OverflowError):
            return [_whole(cell) for cell in self._cells(begin, end)]

    def _decimals(self, begin: Positions, end: Positions) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the values of fields like 12.345 of up to 15 digits (so that they are exact), and which are such."""
        if self._dots is None:
            self._dots = np.flatnonzero(self._bytes == ord("."))
        dots = np.append(self._dots, len(self._bytes))
        dot = dots[np.searchsorted(self._dots, begin)]
        plain = (dot > begin) & (dot < end - 1) & (end - begin <= 16)
        dot = np.where(plain, dot, begin + 1)
        before, _, first = self._integers(begin, dot)
        after, _, second = self._integers(dot + 1, np.maximum(end, dot + 2))
        scale = 10.0 ** np.where(plain, end - dot - 1, 0)
        return (before * scale + after) / scale, plain & first & second & (before >= 0) & (after >= 0)

    def _cells(self, begin: Positions, end: Positions) -> Cells:
        text = self._text
        return Cells(text[start:stop] for start, stop in zip(begin.tolist(), end.tolist(), strict=True))


def _digits(word: Words, length: Positions) -> tuple[Words, NDArray[np.bool_]]:
    """Return the number in the last `length` (or 8) bytes of each word, and whether these are all digits."""
    digits = (word ^ np.uint64(0x3030303030303030)) & _MASKS[np.minimum(length, 8)]
    plain = (((digits + np.uint64(0x0606060606060606)) | digits) & np.uint64(0xF0F0F0F0F0F0F0F0)) == 0
    pairs = (digits * np.uint64(10) + (digits >> np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)
    fours = (pairs * np.uint64(100) + (pairs >> np.uint64(16))) & np.uint64(0x0000FFFF0000FFFF)
    return (fours * np.uint64(10000) + (fours >> np.uint64(32))) & np.uint64(0xFFFFFFFF), plain


def _strings(cells: Cells) -> list[Any]:
    known = {cell: _whole(cell) for cell in set(cells)}
    return [known[cell] for cell in cells]


def _whole(cell: bytes) -> Any:
    try:
        return json.loads(cell)  # exact, also where integers end for orjson
    except ValueError as error:
        raise _Unusual from error
