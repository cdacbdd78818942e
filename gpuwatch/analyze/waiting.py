"""Code that only hands over what other threads or processes make: a prefetcher, an engine of threads."""

from __future__ import annotations

import re

from gpuwatch.model import HotLine

WAITING = frozenset(("wait", "acquire", "join"))
# A line with this share of the loading is what it waits in.
LINE_SHARE = 0.4
# Who stands in one of these waits for another thread or process.
_HANDING_OVER = (
    "threading.py",
    "queue.py",
    "selectors.py",
    "multiprocessing/connection.py",
    "multiprocessing/queues.py",
    "multiprocessing/synchronize.py",
    "concurrent/futures/_base.py",
    "concurrent/futures/thread.py",
    "asyncio/base_events.py",
)


def hands_over(file: str) -> bool:
    """Say whether innermost code in this file waits for a lock, a queue or a pipe."""
    return file.replace("\\", "/").endswith(_HANDING_OVER)


def waits_for_threads(line: HotLine | None) -> bool:
    """Say whether a loader's hottest line stands in a lock: another thread makes what it hands over."""
    return line is not None and line.share >= LINE_SHARE and not words(line).isdisjoint(WAITING)


def words(line: HotLine) -> set[str]:
    """Return the words of a line's callee and source."""
    return set(re.findall(r"[a-z]+", f"{line.callee or ''} {line.source or ''}".lower()))
