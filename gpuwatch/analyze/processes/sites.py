"""Where a person makes what a library then runs: the dataset of a loader, and the loader itself."""

from __future__ import annotations

from typing import NamedTuple

from gpuwatch.analyze.numbers.arrays import as_list
from gpuwatch.analyze.processes.sorting import Iterator
from gpuwatch.model.measures import Place
from gpuwatch.model.recording import ProcessLog
from gpuwatch.words.source_code import is_library, is_of_program, program_of


class Site(NamedTuple):
    """Where the dataset of an iterator, if it is a library's, and its loader are made. The function of `dataset` is the
    class made there."""

    dataset: Place | None
    loader: Place | None


def started_program(log: ProcessLog) -> str | None:
    """Return the installed package that a process was started to run; older recordings have its command only."""
    recorded = log.header.get("program")
    return str(recorded) if recorded else program_of([str(word) for word in as_list(log.header.get("argv"))])


def is_foreign(file: str, program: str | None) -> bool:
    """Say whether a file is a library's, and not of the program that was started either."""
    return is_library(file) and not is_of_program(file, program)


def site_of(iterator: Iterator, program: str | None) -> Site:
    """Return where an iterator's dataset and loader are made, else where its loop is."""
    recorded = iterator.attributes
    places = [place for place in (iterator.made_place, iterator.place) if place and place.line]
    acted = next((place for place in places if not is_foreign(place.file, program)), None)
    loader = Place(acted.file, acted.line, acted.function or "<module>") if acted else None
    if not recorded.get("dataset_file") or not is_library(str(recorded["dataset_file"])):
        return Site(None, loader)
    name, made = str(recorded.get("dataset") or "dataset"), as_list(recorded.get("dataset_made"))
    if len(made) == 2:
        return Site(Place(str(made[0]), int(made[1]), name), loader)
    return Site(Place(loader.file, loader.line, name) if loader else None, loader)
