"""The code of a source file as Python parses it: once, whoever asks."""

from __future__ import annotations

import ast
import linecache
from functools import lru_cache

_MOST_LINES = 5_000


@lru_cache(maxsize=256)
def parsed(file: str, most_lines: int = _MOST_LINES) -> ast.Module | None:
    """Return a file's code; None where it is longer than that, or no Python."""
    lines = linecache.getlines(file)
    if not lines or len(lines) > most_lines:
        return None
    try:
        return ast.parse("".join(lines))
    except (SyntaxError, ValueError, RecursionError):
        return None
