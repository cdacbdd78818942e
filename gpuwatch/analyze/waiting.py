"""Loaders that only hand over what threads of their own process make: a prefetcher, an engine of threads."""

from __future__ import annotations

import re

from gpuwatch.model import HotLine

WAITING = frozenset(("wait", "acquire", "join"))
# A line with this share of the loading is what it waits in.
LINE_SHARE = 0.4


def waits_for_threads(line: HotLine | None) -> bool:
    """Say whether a loader's hottest line stands in a lock: another thread makes what it hands over."""
    return line is not None and line.share >= LINE_SHARE and not words(line).isdisjoint(WAITING)


def words(line: HotLine) -> set[str]:
    """Return the words of a line's callee and source."""
    return set(re.findall(r"[a-z]+", f"{line.callee or ''} {line.source or ''}".lower()))
