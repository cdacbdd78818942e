"""Source code that another user's recording names: shown only where that user may read it too.

A recording is read by whoever looks at it, root among them, and its reports quote lines of the files that it names. Whoever
made a run folder could otherwise have a private file of its reader quoted in a page that is passed on.
"""

from __future__ import annotations

import linecache
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from gpuwatch.model.recording import ProcessLog
from gpuwatch.store.regular import open_regular

_COLUMNS = ("file", "made_file")
_LARGEST = 1 << 22


def guard_source(run: Path, logs: Sequence[ProcessLog]) -> None:
    """Where a run folder is another user's, give Python's cache of lines what that user may read of the files named."""
    try:
        owner = run.stat().st_uid
    except OSError:
        return
    if owner == os.geteuid():
        return
    for name in set(_named(logs)):
        # Without a time of its own an entry is never looked for on the disk.
        lines = _lines(name, owner)
        linecache.cache[name] = (sum(map(len, lines)), None, lines, name)


def _named(logs: Iterable[ProcessLog]) -> Iterator[str]:
    for log in logs:
        for table in log.tables.values():
            for column in _COLUMNS:
                if column in table.columns:
                    yield from (
                        name for name in table.column(column) if isinstance(name, str) and name not in linecache.cache
                    )
        for frames in log.table("stack").column("frames"):
            yield from (frame[1] for frame in frames or () if frame[1] not in linecache.cache)


def _lines(name: str, owner: int) -> list[str]:
    """Return a file's lines, read from the file that was judged; none where its owner is neither this user nor lets all read."""
    try:
        with open_regular(Path(name)) as file:
            found = os.fstat(file.fileno())
            if found.st_uid != owner and not found.st_mode & stat.S_IROTH:
                return []
            text = file.read(_LARGEST).decode("utf-8", "replace")
    except (OSError, ValueError):
        return []
    return [f"{line}\n" for line in text.splitlines()]
