"""Stacks that never were: py-spy does not stop what it looks at, and of one that changes meanwhile it may read anything.

Judged once, where stacks are read. A name that is no file's, a line beyond a file's end, and, on the machine that has
the run's other sources, a file that does not exist. And a stack that begins in the middle of a library: a thread's
stacks all begin with the same frame.
"""

from __future__ import annotations

import linecache
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from gpuwatch.analyze.lines.frames import Frame
from gpuwatch.words.source_code import is_cell, is_library

# No source file has so many lines.
_MOST_LINES = 1_000_000


Thread = tuple[object, object]
Root = tuple[str, str]


class Roots:
    """The frame that each thread's stacks begin with, by how many samples do; a stack is given with its thread's."""

    def __init__(self, stacks: Iterable[tuple[Thread, Sequence[Frame], int]]) -> None:
        counted: Mapping[Thread, Counter[Root]] = defaultdict(Counter)
        for thread, frames, weight in stacks:
            counted[thread][_root(frames)] += weight
        self._usual = {thread: roots.most_common(1)[0][0] for thread, roots in counted.items()}

    def is_cut(self, thread: Thread, frames: Sequence[Frame]) -> bool:
        """Say whether a stack has lost its beginning."""
        outer = frames[0]
        if outer.function == "<module>" or outer.file.startswith("<") or not is_library(outer.file):
            return False
        return _root(frames) != self._usual.get(thread)


def _root(frames: Sequence[Frame]) -> Root:
    return frames[0].file, frames[0].function


class Sources:
    """The user's files of a run's stacks. `started_wall_ns`: a file that was written later may have lost lines since."""

    def __init__(self, stacks: Iterable[Sequence[Frame]], started_wall_ns: int) -> None:
        files = {frame.file for frames in stacks for frame in frames if not is_library(frame.file)}
        self._started = started_wall_ns
        self._there = {file for file in files if os.path.isfile(file)}

    def is_torn(self, frames: Sequence[Frame]) -> bool:
        """Say whether a stack has a frame that cannot have been."""
        return any(not _is_possible(frame) or self._is_beyond(frame) for frame in frames)

    def _is_beyond(self, frame: Frame) -> bool:
        if is_library(frame.file) or is_cell(frame.file) or not self._there:
            return False
        if frame.file not in self._there:
            return os.path.isabs(frame.file)
        return frame.line > _length(frame.file) and os.stat(frame.file).st_mtime_ns <= self._started


def _is_possible(frame: Frame) -> bool:
    return 0 <= frame.line < _MOST_LINES and _is_file_name(frame.file)


@lru_cache(maxsize=65536)
def _is_file_name(name: str) -> bool:
    is_file = name.endswith((".py", ".pyx", ".pyc")) or "/" in name or "\\" in name
    return is_file or name.startswith("<") or is_cell(name)


@lru_cache(maxsize=1024)
def _length(file: str) -> int:
    return len(linecache.getlines(file)) or _MOST_LINES
