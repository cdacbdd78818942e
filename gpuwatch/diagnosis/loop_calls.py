"""Which lines of a step belong together: those below one call that the training loop makes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from gpuwatch.diagnosis.tools import step_lines
from gpuwatch.model.hot_lines import HotLine
from gpuwatch.model.profile import Profile

_Function = tuple[str, str | None]


def of_one_call(profile: Profile, line: HotLine, lines: Sequence[HotLine]) -> list[HotLine]:
    """Return those of `lines` that are below the same call of the loop as `line`; without stacks, those of its function.

    The loop's own function is the last one that all lines of the step have in common, the model's too."""
    if not line.stack:
        return [other for other in lines if (other.file, other.function) == (line.file, line.function)]
    depth = _in_common([_path(other) for other in step_lines(profile) if other.stack])
    return [other for other in lines if other.stack and _called(other, depth) == _called(line, depth)]


def _in_common(paths: Sequence[tuple[_Function, ...]]) -> int:
    """Return how many functions all paths begin with."""
    levels = zip(*paths, strict=False)
    return sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, levels))


def _path(line: HotLine) -> tuple[_Function, ...]:
    return tuple((frame.file, frame.function) for frame in line.stack)


def _called(line: HotLine, depth: int) -> _Function | None:
    """Return the function that the loop calls for a line; None for a line of the loop's own function that calls none."""
    path = _path(line)
    return path[depth] if len(path) > depth else None
