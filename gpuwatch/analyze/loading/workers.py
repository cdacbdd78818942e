"""What each worker of a loader did: its share of the epoch, whether it delivered what others did, what its dataset keeps."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from gpuwatch.analyze.loading.digests import Content, compare
from gpuwatch.analyze.loading.fetches import Maker
from gpuwatch.analyze.numbers.arrays import as_list
from gpuwatch.analyze.processes.sorting import Worker, meta_of
from gpuwatch.analyze.wall_time.loaders import Loader
from gpuwatch.model.measures import Place
from gpuwatch.model.worker_profile import Kept, WorkersProfile
from gpuwatch.records import dataclass


@dataclass(slots=True)
class WorkerEpoch:
    """One worker in one epoch of its loader. `ended`: whether its data came to its end; `over`: whether all of the epoch was
    recorded."""

    number: int
    pid: int
    batches: int
    ended: bool
    over: bool
    row: dict[str, Any]


# The epochs of a loader, each with its workers.
Epochs = list[list[WorkerEpoch]]


def workers_profile(loader: Loader, makers: list[Maker]) -> WorkersProfile | None:
    """Return what was derived of a loader's workers; None of recordings that say nothing of them."""
    epochs = _epochs(loader)
    iterable = loader.first.attributes.get("dataset_kind") == "iterable"
    count = loader.first.worker_count
    if not epochs:
        return _of_trainer(loader) if iterable and not count else None
    batches = _mean_batches(epochs, count)
    ended = [epoch for epoch in epochs if len(epoch) == count and all(one.ended for one in epoch)]
    asks, where = _asks(loader)
    alone = asks is False and not loader.first.attributes.get("worker_init")
    content = compare([{one.number: one.row.get("digests") for one in epoch} for epoch in epochs], by_labels=alone)
    size = loader.first.attributes.get("batch_size")
    passes_over, basis = _passes_over(loader, ended, content, alone) if iterable else (None, None)
    return WorkersProfile(
        workers=count,
        processes=len({one.pid for epoch in epochs for one in epoch}),
        epochs=len(epochs),
        ended=len(ended),
        batches=batches,
        samples=tuple(value * size for value in batches) if size else None,
        at_work=_at_work(epochs),
        asks=asks,
        asked_where=where,
        splits=_splits(asks, alone, content, passes_over) if iterable else None,
        compared=content.compared,
        same=content.same,
        same_workers=content.workers,
        passes_over=passes_over,
        passes_basis=basis,
        kept=_kept(epochs, makers),
        rss_growth_bytes=_rss_growth(epochs),
        torch_threads=_threads(loader, makers),
        trainer_torch_threads=_torch(loader.trainer.meta.get("threads")),
    )


def _of_trainer(loader: Loader) -> WorkersProfile:
    """Return what is known of a loader without workers: whether its code is prepared for some."""
    asks, where = _asks(loader)
    return WorkersProfile(0, 0, 0, 0, (), None, None, asks, where, splits=asks)


def _epochs(loader: Loader) -> Epochs:
    """Return the epochs that were recorded: a worker's n-th is its loader's n-th iterator that it served."""
    served: dict[str, int] = defaultdict(int)
    rows = {}
    epochs: Epochs = []
    for iterator in loader.iterators:
        epoch = []
        for worker in loader.trainer.workers.get(iterator.id, ()):
            name = worker.log.name
            if name not in rows:
                # The last event of an epoch counts.
                rows[name] = list({row.get("epoch"): row for row in worker.log.table("worker_epoch").dicts()}.values())
            number = served[name]
            served[name] += 1
            if number < len(rows[name]):
                epoch.append(_epoch(worker, rows[name][number]))
        if epoch:
            epochs.append(epoch)
    return epochs


def _epoch(worker: Worker, row: dict[str, Any]) -> WorkerEpoch:
    ended = row.get("exhausted") is not None
    return WorkerEpoch(
        int(worker.number or 0), worker.log.pid, int(row.get("batches") or 0), ended, row.get("last") != 0, row
    )


def _mean_batches(epochs: Epochs, count: int) -> tuple[float, ...]:
    total = np.zeros(max([count, *(one.number + 1 for epoch in epochs for one in epoch)]))
    for epoch in epochs:
        for one in epoch:
            total[one.number] += one.batches
    return tuple((total / len(epochs)).tolist())


def _at_work(epochs: Epochs) -> float | None:
    """Return all batches over those of each epoch's busiest worker: which one that is may change."""
    whole = [[one.batches for one in epoch] for epoch in epochs if all(one.over for one in epoch)]
    busiest = sum(max(batches) for batches in whole)
    return sum(sum(batches) for batches in whole) / busiest if busiest else None


def _asks(loader: Loader) -> tuple[bool | None, Place | None]:
    """Return whether code asked which worker it is in, and where; None of recordings of before that was noted."""
    workers = [worker for iterator in loader.iterators for worker in loader.trainer.workers.get(iterator.id, ())]
    logs = [worker.log for worker in workers] or [loader.trainer.log]
    if "cpus" not in logs[0].header.get("columns", {}):
        return None, None
    places = (meta_of(log).get("worker_info") for log in logs)
    place = next((as_list(place) for place in places if place), None)
    if place is None:
        return False, None
    return True, Place(str(place[0]), int(place[1]), place[2]) if place[0] and place[1] else None


def _passes_over(loader: Loader, ended: Epochs, content: Content, alone: bool) -> tuple[float | None, str | None]:
    """Return how often a sample was handed over in a pass, and what says so: content, labels, length, or count.

    Equal counts say it only of workers that cannot know which one they are (`alone`: they never asked, and were not set up
    one by one), and whose content does not differ."""
    count = loader.first.worker_count
    if count < 2:
        return None, None
    if content.workers > 1:
        return count / (count - content.workers + 1), "labels" if content.by_labels else "content"
    said, size = loader.first.attributes.get("length_said"), loader.first.attributes.get("batch_size")
    counts = [[one.batches for one in epoch] for epoch in ended]
    alike = [epoch for epoch in counts if min(epoch) > 1 and len(set(epoch)) == 1]
    if not alike or len(alike) < len(counts):
        return None, None
    if said and size and all(abs(epoch[0] * size - said) < size for epoch in alike):
        return float(count), "length"
    if alone and not content.differs:
        return float(count), "count"
    return None, None


def _splits(asks: bool | None, alone: bool, content: Content, passes_over: float | None) -> bool | None:
    """Say whether more workers would each take a part of their own; content that differs may be the same in another order."""
    if asks is None:
        return None
    if passes_over is not None or (alone and not content.differs):
        return False
    return True if asks or (content.differs and not alone) else None


def _kept(epochs: Epochs, makers: list[Maker]) -> Kept | None:
    """Return what grows most in the dataset's copies, where they begin each epoch with what they had before the first."""
    grown: dict[tuple[str, str], list[float]] = defaultdict(list)
    for epoch in epochs:
        added: dict[tuple[str, str], float] = defaultdict(float)
        for one in epoch:
            for name, kind, before, after in (row for row in as_list(one.row.get("kept")) if len(row) == 4):
                added[str(name), str(kind)] += after - before
        for key, more in added.items():
            grown[key].append(more)
    if not grown:
        return None
    # What is certainly a cache first: a list that only grows may be a log.
    (name, kind), entries = max(grown.items(), key=lambda item: (item[0][1] != "list", sum(item[1])))
    return Kept(name, kind, float(np.mean(entries)), len(entries), _cost_ratio(epochs, makers))


def _cost_ratio(epochs: Epochs, makers: list[Maker]) -> float | None:
    """Return the mean time of a batch in later epochs over that in the first."""
    if len(epochs) < 2:
        return None
    starts = np.array([min(float(one.row.get("t0") or 0) for one in epoch) for epoch in epochs])
    made = [(maker.fetches["t0"], maker.fetches["t1"] - maker.fetches["t0"]) for maker in makers]
    begun = np.concatenate([np.zeros(0), *(begun for begun, _ in made)])
    took = np.concatenate([np.zeros(0), *(took for _, took in made)])
    late = begun >= starts[1]
    first, later = took[~late], took[late]
    if not len(first) or not len(later) or np.mean(first) <= 0:
        return None
    return float(np.mean(later) / np.mean(first))


def _rss_growth(epochs: Epochs) -> float | None:
    pairs = [(one.row.get("rss_begin"), one.row.get("rss_end")) for epoch in epochs for one in epoch]
    known = [end - begin for begin, end in pairs if begin is not None and end is not None]
    return float(np.mean(known)) if known else None


def _threads(loader: Loader, makers: list[Maker]) -> int | None:
    facts = [meta_of(maker.log).get("threads") for maker in makers] if loader.first.worker_count else []
    return max((threads for fact in facts if (threads := _torch(fact))), default=None)


def _torch(facts: Any) -> int | None:
    value = facts.get("torch") if isinstance(facts, dict) else None
    return int(value) if isinstance(value, int) else None
