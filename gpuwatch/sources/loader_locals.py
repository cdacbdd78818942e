"""What the frames of loader workers show of their loader, from py-spy's reading of local variables.

Of all variables only those named here are taken: a worker's number, how many there are, which batch it had to make.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from gpuwatch.sources.base import Row
from gpuwatch.words.source_code import is_loader

_LOOP, _FETCH = "_worker_loop", "fetch"
_OBJECT = re.compile(r"^<(?P<name>[\w.]+) at 0x[0-9a-f]+>$")
_INDEXES = re.compile(r"^\[-?\d+(, -?\d+)*\]$")
_KINDS = {0: "map", 1: "iterable"}
# More is no number of a batch but memory read while it changed.
_MOST = 1 << 40


def loading_rows(threads: Iterable[Mapping[str, Any]], now: int) -> list[Row]:
    """Return a `loading` row for each worker among the threads of a dump."""
    return [row for thread in threads if (row := _row(thread, now)) is not None]


def serves(threads: Iterable[Mapping[str, Any]], pid: int) -> bool | None:
    """Say whether a process's main thread is in a loop that works for another process; None where it was not seen."""
    own = [one for one in threads if one.get("pid") == pid and one.get("thread_name") == "MainThread"]
    if not own or not own[0].get("frames"):
        return None
    return any(_serves(frame) for frame in own[0]["frames"])


def _serves(frame: Mapping[str, Any]) -> bool:
    name, file = str(frame.get("name")).rpartition(".")[2], str(frame.get("filename"))
    if name == _LOOP:
        return is_loader(file)
    loops = {"worker": "multiprocessing/pool.py", "serve_forever": "multiprocessing/managers.py"}
    loops |= {"_process_worker": "concurrent/futures/process.py"}
    return name in loops and file.endswith(loops[name])


def _row(thread: Mapping[str, Any], now: int) -> Row | None:
    found = {
        str(f.get("name")).rpartition(".")[2]: f for f in thread.get("frames") or () if is_loader(str(f["filename"]))
    }
    if _LOOP not in found or thread.get("thread_name") != "MainThread":
        return None
    own = _locals(found[_LOOP])
    batch = _batch_size(own.get("index")) or _batch_size(_locals(found.get(_FETCH, {})).get("possibly_batched_index"))
    return [
        "loading", now, thread.get("pid"), _integer(own.get("worker_id")), _integer(own.get("num_workers")),
        _truth(own.get("persistent_workers")), _class(own.get("dataset")), _KINDS.get(_integer(own.get("dataset_kind")) or 0),
        batch, _integer(own.get("idx")),
    ]  # fmt: skip


def _locals(frame: Mapping[str, Any]) -> dict[str, str]:
    return {str(one.get("name")): str(one.get("repr")) for one in frame.get("locals") or ()}


def _integer(text: str | None) -> int | None:
    if text is None or not text.lstrip("-").isdigit():
        return None
    value = int(text)
    return value if abs(value) < _MOST else None


def _truth(text: str | None) -> bool | None:
    return {"True": True, "False": False}.get(text or "")


def _class(text: str | None) -> str | None:
    found = _OBJECT.match(text or "")
    return found["name"] if found else None


def _batch_size(text: str | None) -> int | None:
    """Return the length of a list of indexes that is written out whole."""
    return text.count(",") + 1 if text and _INDEXES.match(text) else None
