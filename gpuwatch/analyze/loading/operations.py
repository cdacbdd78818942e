"""What a loader's work consists of: each named operation's own time, and the rest by who spent it.

decode + transforms + dataset code + collate are the fetch; serialise comes on top, in the worker's feeder thread.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import field
from typing import Any, Literal, cast

import numpy as np

from gpuwatch.analyze.loading.fetches import Maker
from gpuwatch.analyze.numbers.arrays import to_floats
from gpuwatch.analyze.processes.sites import is_foreign, site_of, started_program
from gpuwatch.analyze.wall_time.loaders import Loader
from gpuwatch.model.loader_profile import OperationProfile
from gpuwatch.model.measures import Place
from gpuwatch.records import dataclass

Kind = Literal["decode", "transform", "dataset", "collate", "serialise"]
# Shares settle long before a million batches: an even choice of these tells as much.
_MOST_FETCHES = 5_000
_KINDS = ("decode", "transform", "dataset")


# The module that opened a file, and where.
_Opened = tuple[str, Place]


@dataclass(slots=True)
class _Sum:
    own_ns: float = 0.0
    calls: float = 0.0
    pixels_in: list[float] = field(default_factory=list)
    pixels_out: list[float] = field(default_factory=list)
    bytes_in: list[float] = field(default_factory=list)
    position: int | None = None
    opened: _Opened | None = None


_Key = tuple[Kind, str, Place | None]


def operation_profiles(loader: Loader, makers: list[Maker]) -> tuple[OperationProfile, ...]:
    """Return the stages of a fetch, the costliest first; their shares sum to one. Empty without fetches."""
    chosen = [_chosen(maker, makers) for maker in makers]
    rows = [at for at, _ in chosen]
    wall = sum(
        float((maker.fetches["t1"] - maker.fetches["t0"])[at].sum()) for maker, at in zip(makers, rows, strict=True)
    )
    samples = sum(float(np.nansum(maker.fetches["samples"][at])) for maker, at in zip(makers, rows, strict=True))
    if wall <= 0:
        return ()
    sums: dict[_Key, _Sum] = defaultdict(_Sum)
    program = started_program(loader.trainer.log)
    site = site_of(loader.first, program)
    for maker, (_, recorded) in zip(makers, chosen, strict=True):
        _add_operations(recorded, _names(maker, site.dataset or site.loader, program), sums)
    collate = sum(float(np.nansum(maker.fetches["collate_ns"][at])) for maker, at in zip(makers, rows, strict=True))
    serialise = sum(_serialise_ns(maker, at) for maker, at in zip(makers, rows, strict=True))
    _add_rest(loader, sums, wall - collate)
    sums["collate", _collate_name(loader), None].own_ns += collate
    if loader.first.worker_count:
        sums["serialise", "serialise", None].own_ns += serialise
    found = [_profile(key, value, wall + serialise, samples) for key, value in sums.items()]
    return tuple(sorted(found, key=lambda operation: -operation.share))


def _chosen(maker: Maker, makers: list[Maker]) -> tuple[np.ndarray[Any, np.dtype[np.intp]], list[Any]]:
    """Return the fetches to look at, and the operations of each."""
    total = sum(len(other) for other in makers)
    first = 1 if len(maker) > 3 else 0
    # Of fetches that are over at once, and of the trainer's own, the hook measures the parts of some only.
    whole = np.flatnonzero(np.isfinite(maker.fetches["collate_ns"][first:])) + first
    known = whole if len(whole) else np.arange(first, len(maker))
    at = known[:: max(total // _MOST_FETCHES, 1)]
    operations = maker.operations(at)
    recorded = np.array([one is not None for one in operations], dtype=bool)
    return (at[recorded] if recorded.any() else at), operations


def _add_operations(
    recorded: list[Any], names: dict[Any, tuple[_Key, int | None, _Opened | None]], sums: dict[_Key, _Sum]
) -> None:
    by_number: dict[Any, list[tuple[Any, ...]]] = defaultdict(list)
    for operations in recorded:
        for operation in operations if isinstance(operations, list) else ():
            by_number[operation[0]].append((*operation, None, None, None, None, None)[1:6])
    for number, rows in by_number.items():
        if number in names:
            key, position, opened = names[number]
            _add(sums[key], rows, position)
            sums[key].opened = sums[key].opened or opened


def _add(into: _Sum, rows: list[tuple[Any, ...]], position: int | None) -> None:
    """Add one operation's rows of calls, own time (ns), pixels in, pixels out and bytes in."""
    calls, own_ns, *sizes = (to_floats(column) for column in zip(*rows, strict=True))
    into.own_ns += float(np.nansum(own_ns))
    into.calls += int(np.nansum(calls))
    into.position = position if into.position is None else into.position
    called = np.nan_to_num(calls) > 0
    for values, size in zip((into.pixels_in, into.pixels_out, into.bytes_in), sizes, strict=True):
        known = called & np.isfinite(size)
        values.extend((size[known] / calls[known]).tolist())


def _names(maker: Maker, site: Place | None, program: str | None) -> dict[Any, tuple[_Key, int | None, _Opened | None]]:
    """Return each operation number's kind, name and place in this process, its order, and who opened the file; a later
    line replaces an earlier one.

    A library's transform whose construction site is not known is at that of the dataset, or of the loader: its
    definition is no line to act on."""
    named: dict[Any, tuple[_Key, int | None, _Opened | None]] = {}
    for row in maker.log.table("op").dicts():
        kind = row.get("kind") if row.get("kind") in _KINDS else "transform"
        place = Place(row["file"], int(row.get("line") or 0), row.get("function")) if row.get("file") else None
        if kind == "transform" and place and site and is_foreign(place.file, program):
            place = Place(site.file, site.line, place.function)
        key = (cast(Kind, kind), str(row.get("name")), place)
        named[row.get("op")] = (key, row.get("position"), _opened(row.get("detail")))
    return named


def _opened(detail: Any) -> _Opened | None:
    opened = detail.get("opened") if isinstance(detail, dict) else None
    if not isinstance(opened, list) or len(opened) != 3:
        return None
    module, file, line = opened
    return str(module), Place(str(file), int(line or 0))


def _serialise_ns(maker: Maker, at: np.ndarray[Any, np.dtype[np.intp]]) -> float:
    """Return the serialising time of as many batches as were chosen."""
    if not len(maker.sent.get("t1", ())):
        return 0.0
    return float(np.nanmean(maker.sent["t1"] - maker.sent["t0"])) * len(at)


def _add_rest(loader: Loader, sums: dict[_Key, _Sum], fetch_ns: float) -> None:
    """Give what no operation took to the dataset's own code."""
    recorded = loader.first.attributes
    file, line = recorded.get("dataset_file"), recorded.get("dataset_line")
    name = (
        f"{recorded['dataset']}.__getitem__"
        if recorded.get("dataset") and recorded.get("dataset_kind") != "iterable"
        else "dataset code"
    )
    place = Place(file, int(line or 0), None) if file else None
    sums["dataset", name, place].own_ns += max(fetch_ns - sum(value.own_ns for value in sums.values()), 0.0)


def _collate_name(loader: Loader) -> str:
    return str(loader.first.attributes.get("collate") or "collate")


def _profile(key: _Key, value: _Sum, work_ns: float, samples: float) -> OperationProfile:
    kind, name, place = key
    return OperationProfile(
        name=name,
        kind=kind,
        share=value.own_ns / work_ns,
        ms_per_sample=value.own_ns / 1e6 / samples if samples else 0.0,
        calls_per_sample=value.calls / samples if samples and value.calls else 1.0,
        where=place,
        position=value.position,
        pixels_in=_median(value.pixels_in),
        pixels_out=_median(value.pixels_out),
        bytes_in=_median(value.bytes_in),
        opened_by=value.opened[0] if value.opened else None,
        opened_where=value.opened[1] if value.opened else None,
    )


def _median(values: list[float]) -> float | None:
    return float(np.median(values)) if values else None
