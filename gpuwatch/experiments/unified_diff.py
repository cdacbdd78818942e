"""Unified diffs: written for the files that change, read again, and applied to texts that fit them exactly."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence

from gpuwatch.errors import GpuwatchError
from gpuwatch.records import dataclass

_HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+\d+(?:,\d+)? @@")
_NO_NEWLINE = "\\ No newline at end of file"


@dataclass(frozen=True, slots=True)
class Hunk:
    """A part of a file's diff: from which line on (1 is the first) which lines become which."""

    line: int
    before: tuple[str, ...]
    after: tuple[str, ...]


def written(name: str, before: str, after: str) -> str:
    """Return the diff of one file, as `git apply` and `patch -p1` take it."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{name}", f"b/{name}"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n{_NO_NEWLINE}\n" for line in lines)


def read(text: str) -> dict[str, list[Hunk]]:
    """Return the hunks of each file that a diff changes. Raises GpuwatchError for what is no diff of existing files."""
    found: dict[str, list[Hunk]] = {}
    lines = text.splitlines(keepends=True)
    at, name = 0, ""
    while at < len(lines):
        line = lines[at]
        if line.startswith("+++ "):
            name = _name(line)
            found[name] = []
        elif (start := _HUNK.match(line)) is not None:
            if not name:
                raise GpuwatchError("the patch has changes before the name of their file")
            hunk, at = _hunk(lines, at + 1, int(start[1]), int(start[2] or 1))
            found[name].append(hunk)
            continue
        at += 1
    if not any(found.values()):
        raise GpuwatchError(
            "the patch changes no file: it is no unified diff", "Write one with gpuwatch try --patch FILE"
        )
    return found


def _name(line: str) -> str:
    name = line[4:].split("\t")[0].strip()
    if name == "/dev/null":
        raise GpuwatchError("the patch deletes a file")
    return name[2:] if name.startswith(("a/", "b/")) else name


def _hunk(lines: Sequence[str], at: int, start: int, count: int) -> tuple[Hunk, int]:
    before: list[str] = []
    after: list[str] = []
    while at < len(lines) and (len(before) < count or lines[at][:1] in ("+", "\\")):
        mark, rest = lines[at][:1], lines[at][1:]
        if mark == "\\":
            _strip_newlines(before, after, lines[at - 1][:1])
        elif mark in ("-", " ", "\n"):
            before.append(rest if mark != "\n" else "\n")
        if mark in ("+", " ", "\n"):
            after.append(rest if mark != "\n" else "\n")
        if mark not in ("-", "+", " ", "\n", "\\"):
            break
        at += 1
    return Hunk(start, tuple(before), tuple(after)), at


def _strip_newlines(before: list[str], after: list[str], mark: str) -> None:
    """Take the newline from the last line of the sides that the line above it belongs to."""
    for side, marks in ((before, "- "), (after, "+ ")):
        if mark in marks and side:
            side[-1] = side[-1].rstrip("\n")


def apply(name: str, text: str, hunks: Sequence[Hunk]) -> str:
    """Return a text with the hunks applied. Raises GpuwatchError where its lines are not those of the diff."""
    lines, shift = text.splitlines(keepends=True), 0
    for hunk in hunks:
        at = _found(lines, hunk, hunk.line - 1 + shift)
        if at is None:
            raise GpuwatchError(
                f"the patch does not fit {name}: line {hunk.line} and those after it are others now",
                "Make it again with gpuwatch try --patch FILE",
            )
        lines[at : at + len(hunk.before)] = hunk.after
        shift += len(hunk.after) - len(hunk.before)
    return "".join(lines)


def _found(lines: Sequence[str], hunk: Hunk, wanted: int) -> int | None:
    """Return where a hunk's lines stand: where it says, or the nearest place."""
    if not hunk.before:
        return min(wanted + 1, len(lines))
    places = sorted(_places(lines, hunk), key=lambda at: abs(at - wanted))
    return places[0] if places else None


def _places(lines: Sequence[str], hunk: Hunk) -> Iterator[int]:
    length = len(hunk.before)
    return (at for at in range(len(lines) - length + 1) if tuple(lines[at : at + length]) == hunk.before)


def apply_all(texts: Mapping[str, str], patch: Mapping[str, Sequence[Hunk]]) -> dict[str, str]:
    """Return the changed texts by name. Raises GpuwatchError for a file that is not there, or does not fit."""
    for name in patch:
        if name not in texts:
            raise GpuwatchError(f"the patch changes {name}, which is not there")
    return {name: apply(name, texts[name], hunks) for name, hunks in patch.items()}
