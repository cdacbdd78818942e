"""The batches that a loader's workers made (or the trainer itself, with no workers): cost, waiting, busy share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpuwatch.analyze.numbers.arrays import columns_of, numbers, optional
from gpuwatch.analyze.numbers.statistics import Array, mean, median_interval
from gpuwatch.analyze.wall_time.loaders import Loader
from gpuwatch.analyze.wall_time.phases import Indices
from gpuwatch.analyze.wall_time.steps import windows
from gpuwatch.model.loader_profile import FetchProfile
from gpuwatch.model.recording import ProcessLog, Table
from gpuwatch.records import dataclass

_TIMES = ("idle_t0", "t0", "t1")
_FIELDS = (
    "index",
    "cpu_ns",
    "process_cpu_ns",
    "delay_ns",
    "collate_ns",
    "gc_ns",
    "samples",
    "rchar",
    "read_bytes",
    "slowest_ns",
    "batched",
)
_SENT = ("index", "t0", "t1", "bytes", "tensors", "tensor_bytes", "float_bytes", "storage_bytes")
# The first batch of a worker pays for imports and files opened once.
_FIRST = 1


@dataclass(slots=True)
class Maker:
    """One process that made batches of a loader: its fetches and what it sent.

    Arrays are parallel, times in ns; `row` is a fetch's row in the log's table."""

    log: ProcessLog
    number: int
    fetches: dict[str, Array]
    sent: dict[str, Array]
    row: Indices

    def __len__(self) -> int:
        return len(self.row)

    def operations(self, at: Indices) -> list[Any]:
        """Return the operations of some fetches, as they were recorded."""
        return self.log.table("fetch").pick("operations", self.row[at].tolist())


def find_makers(loader: Loader) -> list[Maker]:
    """Return who made a loader's batches, each with the fetches made while one of the loader's iterators lived."""
    if loader.first.worker_count == 0 and not loader.first.workers:
        return _in_trainer(loader)
    spans: dict[str, list[tuple[float, float]]] = {}
    logs = {}
    for position in loader.positions:
        for worker in loader.trainer.workers.get(loader.trainer.iterators[position].id, ()):
            logs[worker.log.name] = worker
            spans.setdefault(worker.log.name, []).append(_lifetime(loader, position))
    return [
        _maker(worker.log, worker.shift_ns, worker.number or 0, spans[name]) for name, worker in sorted(logs.items())
    ]


def _in_trainer(loader: Loader) -> list[Maker]:
    """Return the trainer's own fetches (workers = 0): those inside this loader's waits."""
    trainer, walk = loader.trainer, loader.walk
    table = trainer.log.table("fetch")
    if not len(table):
        return []
    maker = _maker(trainer.log, trainer.shift_ns, -1, [(-np.inf, np.inf)])
    events = np.flatnonzero(np.isin(walk.iterator, loader.positions))
    at = np.searchsorted(walk.fields["t1"][events], maker.fetches["t1"] - 1.0)
    found = at < len(events)
    inside = np.zeros(len(found), dtype=bool)
    inside[found] = walk.fields["t0"][events[at[found]]] <= maker.fetches["t1"][found]
    chosen = np.flatnonzero(inside)
    fetches = {name: values[chosen] for name, values in maker.fetches.items()}
    return [Maker(trainer.log, -1, fetches, {}, maker.row[chosen])]


def _lifetime(loader: Loader, position: int) -> tuple[float, float]:
    """Return when batches for an iterator can have been made: until its last event."""
    iterator = loader.trainer.iterators[position]
    events = loader.walk.events_of(position)
    end = float(loader.walk.fields["t1"][events[-1]]) if len(events) else np.inf
    return iterator.start_ns, end


def _maker(log: ProcessLog, shift_ns: float, number: int, spans: Sequence[tuple[float, float]]) -> Maker:
    table = log.table("fetch")
    times = {name: numbers(table, name) + shift_ns for name in _TIMES}
    chosen = np.flatnonzero(_within(times["t1"], spans))
    fetches = {name: values[chosen] for name, values in times.items()}
    fetches |= {name: numbers(table, name)[chosen] for name in _FIELDS}
    return Maker(log, number, fetches, _sent(log.table("send"), shift_ns, spans), chosen)


def _sent(table: Table, shift_ns: float, spans: Sequence[tuple[float, float]]) -> dict[str, Array]:
    sent = columns_of(table, _SENT)
    sent["t0"], sent["t1"] = sent["t0"] + shift_ns, sent["t1"] + shift_ns
    chosen = _within(sent["t0"], spans)
    return {name: values[chosen] for name, values in sent.items()}


def _within(times: Array, spans: Sequence[tuple[float, float]]) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Say which times lie in one of the (disjoint, ordered) spans."""
    starts, ends = (np.array(side) for side in zip(*sorted(spans), strict=True))
    at = np.searchsorted(starts, times, side="right") - 1
    return (at >= 0) & (times <= ends[np.maximum(at, 0)]) & np.isfinite(times)


def fetch_profile(loader: Loader, makers: list[Maker]) -> FetchProfile | None:
    """Describe how a loader's batches were made; None when no fetch was recorded."""
    skip = _FIRST if all(len(maker) > 3 * _FIRST for maker in makers) else 0
    fetched = _joined([maker.fetches for maker in makers], (*_TIMES, *_FIELDS), skip)
    wall = (fetched["t1"] - fetched["t0"]) / 1e6
    wall_interval = median_interval(wall)
    if wall_interval is None:
        return None
    sent = _joined([maker.sent for maker in makers if maker.sent], _SENT, skip)
    cpu, delay = mean(fetched["cpu_ns"]), mean(fetched["delay_ns"])
    wall_mean = float(np.nanmean(wall))
    blocked = None if cpu is None or delay is None else max(wall_mean - (cpu + delay) / 1e6, 0.0)
    idle = mean(fetched["t0"] - fetched["idle_t0"])
    return FetchProfile(
        n=wall_interval.n,
        wall_ms=wall_interval,
        mean_wall_ms=wall_mean,
        p95_wall_ms=float(np.nanpercentile(wall, 95)),
        max_wall_ms=float(np.nanmax(wall)),
        cpu_ms=_ms(cpu),
        process_cpu_ms=_ms(mean(fetched["process_cpu_ns"])),
        delay_ms=_ms(delay),
        blocked_ms=blocked,
        index_wait_ms=_ms(idle) or 0.0,
        busy_share=busy_share(loader, makers),
        collate_ms=_ms(mean(fetched["collate_ns"])) or 0.0,
        serialise_ms=_ms(mean(sent["t1"] - sent["t0"])),
        bytes_per_batch=_bytes_per_batch(sent),
        tensors_per_batch=mean(sent["tensors"]),
        float_bytes_share=_float_share(sent),
        samples_per_batch=mean(fetched["samples"]),
        read_bytes_per_batch=mean(fetched["read_bytes"]),
        rchar_per_batch=mean(fetched["rchar"]),
        slow_share=_slow_share(wall),
        batched=bool(np.nanmax(fetched["batched"], initial=0)) if np.isfinite(fetched["batched"]).any() else False,
        gc_ms=_ms(mean(fetched["gc_ns"])),
        storage_bytes_per_batch=mean(sent["storage_bytes"]),
        tensor_bytes_per_batch=mean(sent["tensor_bytes"]),
        work_spread=_spread(wall - np.nan_to_num(fetched["delay_ns"]) / 1e6),
    )


def _joined(parts: list[dict[str, Array]], names: tuple[str, ...], skip: int) -> dict[str, Array]:
    return {name: np.concatenate([np.zeros(0), *(part[name][skip:] for part in parts)]) for name in names}


def _ms(value_ns: float | None) -> float | None:
    return None if value_ns is None else value_ns / 1e6


def _bytes_per_batch(sent: dict[str, Array]) -> float | None:
    """Return what a batch moves: its pickled bytes and the tensors beside them."""
    pickled, tensors = mean(sent["bytes"]), mean(sent["tensor_bytes"])
    return None if pickled is None and tensors is None else (pickled or 0.0) + (tensors or 0.0)


def _float_share(sent: dict[str, Array]) -> float | None:
    floats, whole = np.nansum(sent["float_bytes"]), np.nansum(sent["tensor_bytes"])
    return optional(float(floats / whole)) if whole > 0 and np.isfinite(sent["float_bytes"]).any() else None


def _spread(work: Array) -> float | None:
    """Return the 95th percentile over the median, of what batches cost without waiting for a core."""
    median = float(np.nanmedian(work))
    return optional(float(np.nanpercentile(work, 95)) / median) if median > 0 else None


def _slow_share(wall: Array) -> float:
    """Return the share of batches that took more than three times the median."""
    return float(np.mean(wall > 3 * np.median(wall)))


def busy_share(loader: Loader, makers: list[Maker]) -> float | None:
    """Return the share of the workers' time, while the loader's loops ran, spent making batches; None in the trainer."""
    count = loader.first.worker_count
    if not count or not makers:
        return None
    loops = windows(loader)
    length = sum(end - start for start, end in loops)
    busy = sum(_overlap(maker.fetches["t0"], maker.fetches["t1"], loops) for maker in makers)
    return min(busy / (length * count), 1.0) if length > 0 else None


def _overlap(starts: Array, ends: Array, loops: list[tuple[float, float]]) -> float:
    """Return the time of [starts, ends] inside the loops; both are ordered."""
    covered = 0.0
    for begin, finish in loops:
        first, last = np.searchsorted(ends, begin), np.searchsorted(starts, finish)
        inside = np.minimum(ends[first:last], finish) - np.maximum(starts[first:last], begin)
        covered += float(np.maximum(inside, 0.0).sum())
    return covered
