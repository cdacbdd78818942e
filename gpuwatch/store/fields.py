"""Turn many lines of one event kind into columns at once, without a Python object per value.

A day of a large training is some 50 million numbers. Here the separators are found for a whole piece of text, and
digits become integers eight at a time (the SWAR trick: eight ASCII digits in one 64-bit word). Lines that are not
plainly one of their kind are left to the reader's row by row way, so this one never has to guess.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
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
_ZEROS, _SIXES, _HIGH = (np.uint64(0x0101010101010101 * byte) for byte in (0x30, 0x06, 0xF0))
# Neighbours become one number: digits pairs, pairs fours, fours eights.
_JOINED = (
    (np.uint64(10), np.uint64(8), np.uint64(0x00FF00FF00FF00FF)),
    (np.uint64(100), np.uint64(16), np.uint64(0x0000FFFF0000FFFF)),
    (np.uint64(10000), np.uint64(32), np.uint64(0xFFFFFFFF)),
)
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
    """A piece of a spool file: whole lines. `take` gives the columns of a kind, `rest` the lines that were not taken."""

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
        commas = np.flatnonzero(buffer == ord(","))
        # `[` and `]` differ in two bits; `Y` and `_` look like them without these.
        brackets = np.flatnonzero((buffer | 0x06) == 0x5F)
        opened, closed = buffer[brackets] == ord("["), buffer[brackets] == ord("]")
        depth = np.cumsum(opened.view(np.int8) - closed.view(np.int8), dtype=np.int32)
        sound = (
            (self._stop - self._start > 8) & (buffer[self._start] == ord("[")) & (buffer[self._stop - 1] == ord("]"))
        )
        if len(brackets):
            first, last = (np.searchsorted(brackets, at) for at in (self._start, self._stop - 1))
            most = len(brackets) - 1
            sound &= (depth[np.minimum(first, most)] == 1) & (depth[np.minimum(last, most)] == 0)
        begins, ends = brackets[opened & (depth == 2)], brackets[closed & (depth == 1)]
        return _outside(commas, begins, ends) if len(begins) == len(ends) else commas[:0], sound

    def take(
        self, kinds: Mapping[str, int], fits: Callable[[str, list[Column]], bool] = lambda kind, columns: True
    ) -> dict[str, list[Column]]:
        """Return the columns of each kind (name: number of columns) that has many lines, all of them regular, and whose
        columns fit."""
        found = {}
        for kind in self._kinds() & kinds.keys():
            lines, width = np.flatnonzero(self._of_kind(kind) & self._left), kinds[kind]
            if len(lines) < _FEW or not width or not (self._sound[lines] & (self._count[lines] == width)).all():
                continue
            try:
                columns = self._columns(lines, width)
            except _Unusual:
                continue
            if fits(kind, columns):
                found[kind] = columns
                self._left[lines] = False
        return found

    def _kinds(self) -> set[str]:
        """Return the kinds of the lines; of several whose names begin alike, one may be left out."""
        # Eight bytes hold `["` and the first letters.
        _, some = np.unique(self._words[np.minimum(self._start, len(self._words) - 1)], return_index=True)
        heads = (self._text[start : start + 64] for start in self._start[some])
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
        at = self._first[lines]
        edges = [self._separators[at + number] for number in range(width)] + [self._stop[lines] - 1]
        return [self._column(edges[number] + 1, edges[number + 1]) for number in range(width)]

    def _column(self, begin: Positions, end: Positions) -> Column:
        length = end - begin
        shortest, longest = int(length.min()), int(length.max())
        if shortest == longest <= 16 and self._alike(begin, end, longest):
            return _constant(self._text[begin[0] : end[0]], len(begin))
        head = self._text[begin[0] : begin[0] + 1]
        if head in (b"[", b"{", b'"'):
            cells = self._cells(begin, end)
            return _strings(cells) if head == b'"' else cells
        values, null, plain = self._integers(begin, end)
        odd = np.flatnonzero(~plain)
        return self._with_odd(values, null, odd, begin, end) if len(odd) else values

    def _alike(self, begin: Positions, end: Positions, length: int) -> bool:
        """Say whether all fields, of this one length of up to 16, are the same text."""
        if length < 1 or self._bytes[begin[0]] != self._bytes[begin[-1]]:
            return False
        last = self._words[end - 8] & _MASKS[min(length, 8)]
        if not (last == last[0]).all():
            return False
        first = self._words[begin] if length > 8 else last
        return bool((first == first[0]).all())

    def _integers(self, begin: Positions, end: Positions) -> tuple[Positions, NDArray[np.bool_], NDArray[np.bool_]]:
        """Return the values of fields that are nothing but digits or null; which are null, and which neither is not."""
        length = end - begin
        shortest, longest = int(length.min()), int(length.max())
        word = self._words[end - 8]
        null = (word >> np.uint64(32)) == _NULL_WORD if shortest <= 4 <= longest else np.zeros(len(word), dtype=bool)
        null &= length == 4
        values, plain = _digits(word, length, shortest)
        for done in range(8, min(longest, _MOST_DIGITS), 8):
            longer = slice(None) if shortest > done else np.flatnonzero(length > done)
            more, digits = _digits(self._words[end[longer] - 8 - done], length[longer] - done, shortest - done)
            more *= np.uint64(10**done)
            values[longer] += more
            plain[longer] &= digits
        plain &= (length > 0) & (length <= _MOST_DIGITS)
        reported = values.view(np.int64)
        reported[null] = NULL
        return reported, null, plain | null

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


def _outside(commas: Positions, begins: Positions, ends: Positions) -> Positions:
    """Return the commas that lie in none of the (disjoint) stretches."""
    if not len(begins):
        return commas
    nested = np.zeros(len(commas) + 1, dtype=np.int32)
    np.add.at(nested, np.searchsorted(commas, begins), 1)
    np.subtract.at(nested, np.searchsorted(commas, ends), 1)
    reported: Positions = commas[np.cumsum(nested[:-1]) == 0]
    return reported


def _constant(cell: bytes, count: int) -> Column:
    """Return a column whose fields are all the same text; a number takes no room."""
    value = _whole(cell)
    if value is None or (type(value) is int and abs(value) < -NULL):
        return np.broadcast_to(np.int64(NULL if value is None else value), count)
    if type(value) is float:
        return np.broadcast_to(np.float64(value), count)
    return Cells([cell] * count) if isinstance(value, (list, dict)) else [value] * count


def _digits(word: Words, length: Positions, shortest: int) -> tuple[Words, NDArray[np.bool_]]:
    """Return the number in the last `length` (or 8) bytes of each word, and whether these are all digits.

    Works in place of `word`."""
    word ^= _ZEROS
    if shortest < 8:
        word &= _MASKS[np.minimum(length, 8)]
    over = word + _SIXES
    over |= word
    over &= _HIGH
    plain = over == 0
    for factor, shift, mask in _JOINED:
        np.right_shift(word, shift, out=over)
        word *= factor
        word += over
        word &= mask
    return word, plain


def _strings(cells: Cells) -> list[Any]:
    known = {cell: _whole(cell) for cell in set(cells)}
    return [known[cell] for cell in cells]


def _whole(cell: bytes) -> Any:
    try:
        return json.loads(cell)  # exact, also where integers end for orjson
    except (ValueError, RecursionError) as error:
        raise _Unusual from error
