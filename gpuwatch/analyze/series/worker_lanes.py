"""The lanes of a loader's workers: what each did, the CPU it took, and its current batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from gpuwatch.analyze.loading.fetches import Maker
from gpuwatch.analyze.loops import Analysis, Loop
from gpuwatch.analyze.machine.usage import Usage
from gpuwatch.analyze.numbers.statistics import Array
from gpuwatch.analyze.series.arrays import line, spans
from gpuwatch.model.timeline import Lane
from gpuwatch.words.lanes import FETCHING, PROCESS_CPU, SENDING, TRAINER_LOADING, WAITING, WORKER


def worker_lanes(analysis: Analysis) -> Iterable[Lane]:
    """Return one strip per worker number of the main loaders; each epoch's workers follow each other in it."""
    usages: dict[int, list[Usage]] = defaultdict(list)
    for usage in analysis.usages:
        usages[usage.pid].append(usage)
    for loop in analysis.loops:
        if loop.profile.role == "evaluation":
            continue
        by_number: dict[int, list[Maker]] = defaultdict(list)
        for maker in loop.makers:
            by_number[maker.number].append(maker)
        for number, makers in sorted(by_number.items()):
            yield from _lanes(analysis, loop, number, makers, usages)


def _lanes(
    analysis: Analysis, loop: Loop, number: int, makers: list[Maker], usages: dict[int, list[Usage]]
) -> Iterable[Lane]:
    rank, of_trainer = loop.profile.rank, number < 0
    strip = spans(analysis, [part for maker in makers for part in _strip(maker)])
    note = in_hand(loop, makers) if analysis.processes.goes_on else ""
    if of_trainer:
        yield Lane(TRAINER_LOADING, spans=strip, note=note, rank=rank)
        return
    yield Lane(WORKER, spans=strip, note=note, rank=rank, worker=number)
    sampled = [usage for pid in dict.fromkeys(maker.log.pid for maker in makers) for usage in usages.get(pid, ())]
    yield from _cpu(analysis, sampled, rank, number)


def _strip(maker: Maker) -> list[tuple[str, Array, Array]]:
    fetches, sent = maker.fetches, maker.sent
    found = [(FETCHING, fetches["t0"], fetches["t1"])]
    if maker.number >= 0:
        found.append((WAITING, fetches["idle_t0"], fetches["t0"]))
    if sent:
        found.append((SENDING, sent["t0"], sent["t1"]))
    return found


def _cpu(analysis: Analysis, usages: list[Usage], rank: int, worker: int) -> Iterable[Lane]:
    """Return the cores that a worker's processes used between two samples."""
    parts = [(usage.t[1:], np.diff(usage.fields["cpu_ns"]) / np.maximum(np.diff(usage.t), 1.0)) for usage in usages]
    times = np.concatenate([np.zeros(0), *(t for t, _ in parts)])
    cores = np.concatenate([np.zeros(0), *(share for _, share in parts)])
    if len(times):
        order = np.argsort(times, kind="stable")
        yield line(analysis, PROCESS_CPU, times[order], cores[order], rank=rank, worker=worker)


def in_hand(loop: Loop, makers: list[Maker]) -> str:
    """Return the number of the batch that a worker is making, or that it waits; empty where the recording cannot tell.

    torch gives the numbers out in turn, as many ahead of the training as workers times prefetch: a worker makes its
    next one if that was given out."""
    loader, fields = loop.loader, loop.loader.walk.fields
    iterator = loader.trainer.iterators[loader.positions[-1]]
    workers, depth = loader.first.worker_count, int(loader.first.attributes.get("prefetch") or 0)
    asked = loader.walk.events_of(loader.positions[-1])
    if not workers or not depth or not loop.profile.in_order or not len(asked):
        return ""
    if fields["end"][asked[-1]]:
        return "waits"
    given_out = float(np.nanmax(fields["index"][asked])) + workers * depth
    made = [
        index
        for maker in makers
        for index, t0 in zip(maker.fetches["index"][-1:], maker.fetches["t0"][-1:], strict=True)
        if t0 >= iterator.start_ns
    ]
    following = max(made) + workers if made else makers[0].number
    return f"batch {following:.0f}" if following <= min(given_out, _last(loop)) else "waits"


def _last(loop: Loop) -> float:
    """Return the number of the last batch of one loop; infinity where the loader's length is unknown."""
    recorded = loop.loader.first.attributes
    length, size = recorded.get("length"), recorded.get("batch_size")
    if not isinstance(length, int) or not isinstance(size, int) or size < 1:
        return np.inf
    return length // size - 1 if recorded.get("drop_last") else -(-length // size) - 1
