"""Find what is a trace, and read it: a file, an nsys export, or a folder with a file for each rank."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from gpuwatch.errors import GpuwatchError
from gpuwatch.model.trace import Trace
from gpuwatch.traces import kineto

_ENDINGS = (".json", ".json.gz", ".sqlite", ".trace", ".trace.gz")
_REPORT = (".nsys-rep", ".qdrep")
_SQLITE = b"SQLite format 3\0"
_NUMBER = re.compile(r"(?:rank|worker|gpu|node)[-_.]?(\d+)", re.IGNORECASE)


def names_traces(path: Path) -> bool:
    """Say whether a path that exists is a file, or a folder of trace files, and no run folder."""
    return path.is_file() or (path.is_dir() and not (path / "run.json").exists() and bool(files_in(path)))


def files_in(folder: Path) -> list[Path]:
    """Return the trace files of a folder, in the order of the numbers in their names."""
    found = [path for path in folder.iterdir() if path.name.endswith(_ENDINGS) and path.is_file()]
    return sorted(found, key=lambda path: ([int(number) for number in re.findall(r"\d+", path.name)], path.name))


def read_traces(paths: Iterable[Path]) -> tuple[Trace, ...]:
    """Return the traces of files and folders. Raises GpuwatchError with one line for what cannot be read."""
    found: list[Trace] = []
    for path in paths:
        for number, file in enumerate(files_in(path) if path.is_dir() else [path]):
            found += _read(file, number)
    if not any(len(trace.device) for trace in found):
        names = ", ".join(dict.fromkeys(trace.source for trace in found)) or "the folder"
        raise GpuwatchError(
            f"{names} has no GPU activity: the profiler recorded the host alone",
            "Record with ProfilerActivity.CUDA among the profiler's activities",
        )
    return tuple(found)


def _read(path: Path, number: int) -> list[Trace]:
    if path.name.endswith(_REPORT):
        raise GpuwatchError(f"{path} is a report of nsys", f"Export it first: `nsys export --type sqlite {path}`")
    try:
        kineto.begins_like(path)
        with path.open("rb") as file:
            is_sqlite = file.read(len(_SQLITE)) == _SQLITE
        if is_sqlite:
            from gpuwatch.traces import nsys

            return nsys.read(path)
        named = _NUMBER.search(path.name)
        return [kineto.read(path, int(named[1]) if named else number)]
    except OSError as error:
        raise GpuwatchError(f"{path} cannot be read: {error.strerror or error}") from error
