"""The steps of one loader: how long, how much of it waited, with the warm-up kept apart.

Figures are means over the steps after the warm-up (with block-bootstrap intervals), because workers deliver in
bursts: most steps of a starved loop wait for nothing, and the median would say so.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpuwatch.analyze.numbers.arrays import numbers
from gpuwatch.analyze.numbers.statistics import Array, mean_interval, ratio_interval
from gpuwatch.analyze.wall_time.loaders import Loader
from gpuwatch.analyze.wall_time.passes import after_evaluation
from gpuwatch.analyze.wall_time.phases import Indices, Walk, recorded_parts
from gpuwatch.analyze.wall_time.traced import traced
from gpuwatch.model.measures import Interval
from gpuwatch.records import dataclass

_MIN_WARM_UP = 2
# So many iterators of hardly more than a batch each are one loop that makes its iterator anew for each step.
_MANY_ITERATORS = 8


@dataclass(slots=True)
class Steps:
    """Steps of a loader, epochs together; arrays are parallel, in nanoseconds. A step ends with the hand-over of the
    batch of event `event`; `nested` is evaluation inside it, not part of `compute`. `recorded`: it was measured in full, not
    only timed. `traced`: torch.profiler recorded it. `steady` leaves both the warm-up and these out."""

    event: Indices
    begin: Array
    end: Array
    wait: Array
    compute: Array
    nested: Array
    gc: Array
    gpu_wait: Array
    recorded: NDArray[np.bool_]
    steady: NDArray[np.bool_]
    group: int
    batches: int
    traced: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.wait)

    @property
    def warmup(self) -> int:
        """Number of steps kept apart."""
        return int((~self.steady & ~self.traced).sum())

    @property
    def count(self) -> int:
        """Number of steps that the figures rest on."""
        return int(self.steady.sum())

    @property
    def seconds(self) -> float:
        """Time of the steady steps."""
        return float((self.wait + self.compute)[self.steady].sum()) / 1e9

    @property
    def wait_seconds(self) -> float:
        """Time waited in the steady steps."""
        return float(self.wait[self.steady].sum()) / 1e9

    def mean_ms(self, values: Array) -> Interval | None:
        """Return the mean of a per-step value over the steady steps, in milliseconds."""
        return mean_interval(values[self.steady] / 1e6, self.group)

    def recorded_wait_ms(self) -> float | None:
        """Return the mean wait of the steady steps that were measured in full; None without any."""
        waits = self.wait[self.steady & self.recorded]
        return float(waits.mean()) / 1e6 if len(waits) else None

    def wait_share(self) -> Interval | None:
        """Return the share of the steady steps spent inside the loader (host clock)."""
        return ratio_interval(self.wait[self.steady], (self.wait + self.compute)[self.steady], self.group)

    def gpu_wait_share(self) -> Interval | None:
        """Return the share of the steps in which the GPU had nothing to do; None unless most of those measured in full
        have it."""
        chosen = self.steady & np.isfinite(self.gpu_wait)
        if chosen.sum() < max(0.5 * (self.steady & self.recorded).sum(), 1):
            return None
        return ratio_interval(self.gpu_wait[chosen], (self.wait + self.compute)[chosen], self.group)

    def gpu_wait_ms(self) -> Interval | None:
        """Return the mean GPU wait; None unless most steps have one."""
        if self.gpu_wait_share() is None:
            return None
        return mean_interval(self.gpu_wait[self.steady & np.isfinite(self.gpu_wait)] / 1e6, self.group)


def find_steps(loader: Loader, evaluation: Array) -> Steps:
    """Cut a loader's loops into steps. `evaluation`: per event of the walk, the time (ns) that belongs to evaluation."""
    walk = loader.walk
    nested_before = np.cumsum(evaluation)
    cut = _between_iterators(loader) if is_made_for_each_step(loader) else _inside_iterators(loader)
    before, event = cut.before, cut.event
    nested = nested_before[event] - nested_before[before]
    if loader.role == "evaluation":
        nested = np.zeros(len(event))
    depth = int(loader.first.attributes.get("prefetch") or 1) * cut.workers
    steady, by_profiler = _steady(cut.lengths, depth, cut.workers), traced(loader.trainer, cut.begin, cut.end)
    return Steps(
        event=event,
        begin=cut.begin,
        end=cut.end,
        wait=cut.end - cut.asked,
        compute=np.maximum(cut.asked - cut.begin - nested, 0.0),
        nested=nested,
        gc=walk.fields["gc_ns"][event],
        gpu_wait=_gpu_waits(loader, event),
        recorded=recorded_parts(walk)[event],
        steady=steady & ~by_profiler if (steady & ~by_profiler).any() else steady,
        group=max(cut.workers, 1),
        batches=sum(len(walk.of(position)) for position in loader.positions),
        traced=by_profiler,
    )


class _Cut(NamedTuple):
    """Where steps begin, ask for their batch, and end (ns), and the events before and at their end. `lengths`: how many
    follow one another; `workers`: by whose turns they wait."""

    before: Indices
    event: Indices
    begin: Array
    asked: Array
    end: Array
    lengths: list[int]
    workers: int


def _inside_iterators(loader: Loader) -> _Cut:
    """Take what lies between one batch of an iterator and the next for a step."""
    walk, fields = loader.walk, loader.walk.fields
    pairs = [_pairs(walk, position) for position in loader.positions]
    before = np.concatenate([pair[0] for pair in pairs])
    event = np.concatenate([pair[1] for pair in pairs])
    lengths = [len(pair[1]) for pair in pairs]
    begin, asked, end = fields["t1"][before], fields["t0"][event], fields["t1"][event]
    return _Cut(before, event, begin, asked, end, lengths, loader.first.worker_count)


def is_made_for_each_step(loader: Loader) -> bool:
    """Say whether each batch had an iterator of its own: `next(iter(loader))`."""
    lengths = [len(loader.walk.of(position)) for position in loader.positions]
    return len(lengths) >= _MANY_ITERATORS and sum(max(length - 1, 0) for length in lengths) < 3


def _between_iterators(loader: Loader) -> _Cut:
    """Take what lies between an iterator's batch and the making of the next one for a step that waits for nothing: the
    wait is the start of each iterator, and the end of the one before it."""
    walk = loader.walk
    used = [position for position in loader.positions if len(walk.of(position))]
    before = np.array([walk.of(position)[-1] for position in used[:-1]], dtype=np.int64)
    event = np.array([walk.of(position)[0] for position in used[1:]], dtype=np.int64)
    starts = np.array([loader.trainer.iterators[position].start_ns for position in used[1:]], dtype=np.float64)
    dropping = np.array([_dropping_ns(loader, position) for position in used[:-1]])
    return _Cut(before, event, walk.fields["t1"][before] + dropping, starts, starts, [len(event)], 0)


def _dropping_ns(loader: Loader, position: int) -> float:
    """Return how long it took to let go of an iterator, workers and all, at once after its batch; 0 when it trained
    first."""
    fields, last = loader.walk.fields, loader.walk.of(position)[-1]
    events = loader.walk.events_of(position)
    left = events[(events > last) & (fields["end"][events] == 3)]
    trained = np.nan_to_num(fields["backward_n"][left]) + np.nan_to_num(fields["optimizer_n"][left])
    return float(fields["t1"][left[0]] - fields["t1"][last]) if len(left) and not trained.any() else 0.0


def _pairs(walk: Walk, position: int) -> tuple[Indices, Indices]:
    handed = walk.of(position)[walk.skipped.get(position, 0) :]
    return handed[:-1], handed[1:]


def _steady(lengths: list[int], depth: int, workers: int) -> NDArray[np.bool_]:
    """Keep a warm-up apart: two steps and one prefetch depth of the first epoch (at most a third of the epoch), and
    of later epochs what was made while the workers started. With hardly any steps every one but the first counts."""
    total = sum(lengths)
    steady = np.ones(total, dtype=bool)
    start, first = 0, True
    for length in lengths:
        skip = max(_MIN_WARM_UP, min(depth, length // 3)) if first else min(workers, length // 4)
        steady[start : start + skip] = False
        first = first and length == 0
        start += length
    if steady.sum() < 3:
        steady[:] = True
        steady[: min(1, total - 1)] = False
    return steady


def _gpu_waits(loader: Loader, event: Indices) -> Array:
    """Return each step's GPU wait (ns), NaN without a CUDA event."""
    table = loader.trainer.log.table("gpu_wait")
    waits = np.full(len(event), np.nan)
    if not len(table):
        return waits
    ids, index, wait_ms = (numbers(table, name) for name in ("iterator", "index", "wait_ms"))
    of_id = {iterator.id: position for position, iterator in enumerate(loader.trainer.iterators)}
    position = np.array([of_id.get(int(i), -1) if i == i else -1 for i in ids])
    known = np.flatnonzero(np.isin(position, loader.positions) & np.isfinite(index))
    key = position[known] * 1e10 + index[known]
    order = np.argsort(key)
    wanted = loader.walk.iterator[event] * 1e10 + loader.walk.fields["index"][event]
    at = np.minimum(np.searchsorted(key[order], wanted), max(len(known) - 1, 0))
    if len(known):
        hit = key[order][at] == wanted
        waits[hit] = wait_ms[known][order][at][hit] * 1e6
    return waits


def evaluation_time(walk: Walk, roles: dict[int, str]) -> Array:
    """Return per event the time (ns) since the event before that evaluation took."""
    is_evaluation = np.array([roles.get(p) == "evaluation" for p in range(len(walk.trainer.iterators))] + [False])
    net = np.where(is_evaluation[walk.owner], walk.gap - walk.making - after_evaluation(walk, roles), 0.0)
    making = np.where(is_evaluation[walk.made], walk.making, 0.0)
    return net + making + np.where(is_evaluation[walk.iterator], walk.wait, 0.0)


def windows(loader: Loader) -> list[tuple[float, float]]:
    """Return when each of the loader's loops ran: from its first batch to its last event (ns)."""
    walk, found = loader.walk, []
    if is_made_for_each_step(loader):
        handed = walk.fields["t1"][np.concatenate([walk.of(position) for position in loader.positions])]
        return [(float(handed.min()), float(handed.max()))]
    for position in loader.positions:
        events = walk.events_of(position)
        events = events[walk.fields["end"][events] != 3]
        if len(events):
            # The ask that finds the loader exhausted waits for its workers to leave, not for data.
            last = "t1" if walk.fields["end"][events[-1]] == 0 else "t0"
            found.append((float(walk.fields["t1"][events[0]]), float(walk.fields[last][events[-1]])))
    return [(start, end) for start, end in found if end > start]


def stops(loader: Loader) -> tuple[float, ...]:
    """Return per iterator that came to its end, or was let go of for the next batch's, the seconds of that: workers are
    stopped in it."""
    walk = loader.walk
    if is_made_for_each_step(loader):
        seconds = [_dropping_ns(loader, position) / 1e9 for position in loader.positions if len(walk.of(position))]
        return tuple(one for one in seconds if one > 0)
    ended = np.flatnonzero((walk.fields["end"] == 1) & np.isin(walk.iterator, loader.positions))
    return tuple(float(seconds) for seconds in walk.wait[ended] / 1e9)


def first_batches(loader: Loader) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return per iterator the seconds from asking for it to its first batch: of those that started anything (workers,
    or the first use), and of all."""
    walk, startup, first = loader.walk, [], []
    seen: set[tuple[tuple[int, int], ...]] = set()
    for position in loader.positions:
        iterator, handed = loader.trainer.iterators[position], walk.of(position)
        if not len(handed):
            continue
        making = (iterator.made_ns - iterator.start_ns) / 1e9
        seconds = max(making, 0.0) + float(walk.wait[handed[0]]) / 1e9
        first.append(seconds)
        if iterator.workers not in seen:
            startup.append(seconds)
        seen.add(iterator.workers)
    return tuple(startup), tuple(first)
