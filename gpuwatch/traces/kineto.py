"""Read a trace that torch.profiler wrote: Chrome JSON, of CUDA, HIP or another device."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gpuwatch.errors import GpuwatchError
from gpuwatch.model.trace import Trace
from gpuwatch.traces.columns import Columns
from gpuwatch.traces.events import RECORD_AGAIN, ChromeTrace
from gpuwatch.traces.unpacked import FOREIGN, Unpacked
from gpuwatch.words.units import count


def read(path: Path, number: int = 0) -> Trace:
    """Return the trace of a file; `number` is its rank where the file names none. Raises GpuwatchError and OSError."""
    unpacked = Unpacked(path)
    chrome, columns = ChromeTrace(unpacked), Columns()
    with _no_collection():
        for events in chrome:
            columns.add(events)
    device, host = columns.events()
    if not len(device) and not len(host):
        raise GpuwatchError(f"{path} is no GPU trace: no event of it has a category of torch.profiler", RECORD_AGAIN)
    if columns.mixed(host):
        raise GpuwatchError(
            f"{path} holds several processes whose launches have the same numbers",
            "Name the file of each process instead",
        )
    header = chrome.header
    distributed = header.get("distributedInfo")
    distributed = distributed if isinstance(distributed, dict) else {}
    return Trace(
        source=str(path),
        bytes=unpacked.size,
        rank=_whole(distributed.get("rank"), number),
        world_size=_whole(distributed.get("world_size"), 1),
        names=tuple(columns.names),
        threads=tuple(columns.threads),
        device=device,
        host=host,
        device_names=_devices(header.get("deviceProperties")),
        begin_us=columns.begin_us,
        started_wall_ns=_whole(header.get("baseTimeNanoseconds"), 0) or path.stat().st_mtime_ns,
        lost=tuple(_lost(chrome, columns)),
    )


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep Python's collector from looking through events that are gone in a moment anyway."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def begins_like(path: Path) -> None:
    """Raise GpuwatchError with what to do where a file is one of those that are often taken for a trace."""
    with path.open("rb") as file:
        head = file.read(8)
    for magic, (what, next_step) in FOREIGN.items():
        if head.startswith(magic):
            raise GpuwatchError(f"{path} is {what}, not a trace", next_step)


def _lost(chrome: ChromeTrace, columns: Columns) -> list[str]:
    lines = ["the trace was cut off: what came later is missing"] if chrome.torn else []
    broken = chrome.skipped + columns.broken
    return [*lines, f"{count(broken, 'event')} of the trace could not be read"] if broken else lines


def _devices(properties: Any) -> dict[int, str]:
    if not isinstance(properties, list):
        return {}
    found = [each for each in properties if isinstance(each, dict) and isinstance(each.get("name"), str)]
    return {_whole(each.get("id"), number): each["name"] for number, each in enumerate(found)}


def _whole(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 62 else default
