"""The traces of a run's own windows, in its folder: how they are found, read, and made small."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from gpuwatch.errors import GpuwatchError
from gpuwatch.model.trace import Trace
from gpuwatch.traces import kineto
from gpuwatch.traces.events import ChromeTrace
from gpuwatch.traces.unpacked import Unpacked
from gpuwatch.words.gpu_trace import kind_of

FOLDER, PART, SMALL = "traces", ".part", ".gz"
MOST_BYTES = 20_000_000
# So much may be in the packer's memory, or come with the next events.
_HELD_BACK = 1 << 16
# Of an event's arguments, what is read again.
_ARGUMENTS = ("correlation", "External id", "external id", "device", "stream", "bytes", "Call stack")
_KEYS = ("ph", "cat", "name", "ts", "dur", "pid", "tid")
_HEADER = ("schemaVersion", "deviceProperties", "distributedInfo", "baseTimeNanoseconds")


def read_windows(run: Path) -> tuple[dict[str, Trace], list[str]]:
    """Return the traces of a run by the names that the hook gave their files, and a line for each that cannot be read."""
    found, problems = {}, []
    for name, path in files_of(run).items():
        try:
            found[name] = kineto.read(path)
        except (GpuwatchError, OSError) as error:
            problems.append(f"{FOLDER}/{path.name} cannot be read: {getattr(error, 'what', None) or error}; left out")
    return found, problems


def files_of(run: Path) -> dict[str, Path]:
    """Return the whole traces in a run folder by the names that the hook gave them: a small one in the place of its original."""
    try:
        entries = sorted(path for path in (run / FOLDER).iterdir() if path.is_file())
    except OSError:
        return {}
    plain = {path.name: path for path in entries if path.name.endswith(".json")}
    return plain | {path.name.removesuffix(SMALL): path for path in entries if path.name.endswith(".json" + SMALL)}


def make_small(run: Path, most_bytes: int = MOST_BYTES) -> None:
    """Rewrite the traces of a run with what is read of them alone, packed; together they have `most_bytes` at most: what
    is beyond its part of that is cut off a trace's end. Raises OSError."""
    left = [path for path in files_of(run).values() if path.name.endswith(".json")]
    taken = sum(path.stat().st_size for path in files_of(run).values() if path.name.endswith(SMALL))
    for number, path in enumerate(left):
        target = path.with_name(path.name + SMALL)
        part = target.with_name(target.name + PART)
        with open(part, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            _write_small(path, file, (most_bytes - taken) // (len(left) - number))
        taken += part.stat().st_size
        part.replace(target)
        path.unlink()
    for path in (run / FOLDER).glob("*" + PART) if left else ():
        path.unlink(missing_ok=True)


def _write_small(path: Path, file: BinaryIO, most_bytes: int) -> None:
    """Write one trace. It is a whole document in any case, its header last."""
    chrome = ChromeTrace(Unpacked(path))
    first = True
    with gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=5, mtime=0) as packed:
        packed.write(b'{"traceEvents":[')
        for events in _small_batches(chrome):
            if file.tell() > most_bytes - _HELD_BACK:
                # Without its end the reader takes the trace for one that was cut off.
                return
            text = b",".join(map(orjson.dumps, events))
            if text:
                packed.write(text if first else b"," + text)
                first = False
        header = {key: chrome.header[key] for key in _HEADER if key in chrome.header}
        packed.write(b"]," + orjson.dumps(header)[1:] if header else b"]}")


def _small_batches(chrome: ChromeTrace) -> Iterator[list[dict[str, Any]]]:
    for events in chrome:
        yield [_small(event) for event in events if _is_read(event)]


def _is_read(event: Any) -> bool:
    return type(event) is dict and event.get("ph") == "X" and kind_of(str(event.get("cat"))) is not None


def _small(event: dict[str, Any]) -> dict[str, Any]:
    found = {key: event[key] for key in _KEYS if key in event}
    arguments = event.get("args")
    if isinstance(arguments, dict):
        kept = {key: arguments[key] for key in _ARGUMENTS if key in arguments}
        if kept:
            found["args"] = kept
    return found


def events_of(path: Path, shift_us: float) -> Iterator[dict[str, Any]]:
    """Yield the events of a trace with other times, for those who draw it beside others. Raises GpuwatchError."""
    for events in ChromeTrace(Unpacked(path)):
        for event in events:
            if _is_read(event) and isinstance(event.get("ts"), int | float):
                yield {**_small(event), "ts": event["ts"] + shift_us}


def is_small(run: Path) -> bool:
    """Say whether all traces of a run are as small as they get."""
    return not any(name.endswith(".json") for name in map(os.path.basename, files_of(run).values()))
