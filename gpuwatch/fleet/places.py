"""Which run folders there are below some places, local folders and URLs, and what says whether one has changed since."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import field
from pathlib import Path
from typing import Any

from gpuwatch.errors import GpuwatchError, RunNotFound
from gpuwatch.fleet.needs import need
from gpuwatch.records import dataclass
from gpuwatch.store.folder import INFO
from gpuwatch.words.source_code import PACKAGES_FOLDER
from gpuwatch.words.version import own_version

SPOOL = "spool"
# The page of a run's report, where somebody wrote it into its folder.
PAGE = "report.html"
# Folders with very many files and no runs.
_SKIPPED = frozenset((".git", ".venv", "node_modules", "__pycache__", PACKAGES_FOLDER))


@dataclass(frozen=True, slots=True)
class RunPlace:
    """One run folder. `fingerprint`: of its files' sizes and times, and of the gpuwatch that reads it."""

    path: str
    fingerprint: str
    page: str | None = None

    @property
    def is_url(self) -> bool:
        return is_url(self.path)


@dataclass(slots=True)
class Found:
    """The run folders below some places, and the folders that may not be read (other users' runs are private to them)."""

    runs: list[RunPlace] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)


def is_url(place: str) -> bool:
    """Say whether a place is a URL rather than a path."""
    return "://" in place


def find_runs(places: Iterable[str], beside: Path | None = None) -> Found:
    """Return the run folders at or below places; `beside`: a folder to leave out. Raises RunNotFound for a place that is none."""
    found, met = Found(), set()
    for place in places:
        for run in _in_store(place) if is_url(place) else _in_folder(place, found.closed, beside):
            if run.path not in met:
                met.add(run.path)
                found.runs.append(run)
    return found


def named(place: str) -> str:
    """Return a place as the dataset names it: an absolute path, or a URL without a slash at its end."""
    return place.rstrip("/") if is_url(place) else str(Path(place).resolve())


def _in_folder(place: str, closed: list[str], beside: Path | None) -> Iterator[RunPlace]:
    if not os.path.isdir(place):
        what = "is a file" if os.path.exists(place) else "does not exist"
        raise RunNotFound(f"{place} {what}", "Name a folder of run folders, or a URL of one")
    waiting = [named(place)]
    skipped = str(beside.resolve()) if beside else None
    while waiting:
        folder = waiting.pop()
        try:
            entries = {entry.name: entry for entry in os.scandir(folder)}
        except OSError:
            closed.append(folder)
            continue
        if _is_run(entries):
            yield from _run(folder, entries, closed)
            continue
        below = (e.path for e in entries.values() if e.name not in _SKIPPED and e.is_dir(follow_symlinks=False))
        waiting += sorted((path for path in below if path != skipped), reverse=True)


def _is_run(entries: dict[str, os.DirEntry[str]]) -> bool:
    """Say whether a folder is a run's. What its processes wrote is left of one whose run.json was lost."""
    return SPOOL in entries and (INFO in entries or "boot" in entries)


def _run(folder: str, entries: dict[str, os.DirEntry[str]], closed: list[str]) -> Iterator[RunPlace]:
    try:
        spool = [(entry.name, entry.stat()) for entry in os.scandir(entries[SPOOL].path)]
        info = [(INFO, entries[INFO].stat())] if INFO in entries else []
    except OSError:
        closed.append(folder)
        return
    files = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in (*info, *spool)]
    yield RunPlace(folder, _fingerprint(files), entries[PAGE].path if PAGE in entries else None)


def _in_store(place: str) -> Iterator[RunPlace]:
    """Yield the run folders of an object store, or of another file system that fsspec knows. Raises GpuwatchError."""
    try:
        system, root = store_of(place)
        listed: dict[str, dict[str, Any]] = system.find(root, detail=True)
    except GpuwatchError:
        raise
    except Exception as error:  # each file system has errors of its own
        raise RunNotFound(f"{place} cannot be listed: {error}", "Look at the URL, and at who may read it") from error
    folders: dict[str, list[tuple[str, Any, Any]]] = {}
    for path, about in listed.items():
        folder, name = _split(path)
        if folder is not None:
            changed = about.get("ETag") or about.get("mtime") or about.get("LastModified") or about.get("created")
            folders.setdefault(folder, []).append((name, about.get("size"), str(changed)))
    for folder, files in sorted(folders.items()):
        if any(name == INFO for name, _, _ in files) and len(files) > 1:
            yield RunPlace(system.unstrip_protocol(folder), _fingerprint(files))


def store_of(url: str) -> tuple[Any, str]:
    """Return the file system of a URL, and the path in it. Raises GpuwatchError where none is known for it."""
    fsspec = need("fsspec")
    try:
        system, root = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise GpuwatchError(f"{url} cannot be opened: {error}", "Install the file system of fsspec for it") from error
    return system, root


def _split(path: str) -> tuple[str | None, str]:
    """Take the path of a file apart into the run folder and the name in it; None for a file that is of no run."""
    folder, _, name = path.rpartition("/")
    if name == INFO:
        return folder, name
    return (folder.removesuffix(f"/{SPOOL}"), f"{SPOOL}/{name}") if folder.endswith(f"/{SPOOL}") else (None, name)


def _fingerprint(files: Iterable[tuple[str, Any, Any]]) -> str:
    # Another version of gpuwatch may find more in a run.
    text = "\n".join((own_version(), *(f"{name}\t{size}\t{changed}" for name, size, changed in sorted(files))))
    return hashlib.sha1(text.encode("utf-8", "surrogateescape")).hexdigest()
