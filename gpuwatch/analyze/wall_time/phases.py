"""Lay one trainer's events end to end: every instant from process start to exit belongs to one phase.

The walk alternates gaps (the training's own code) and waits (inside the loader's `__next__`). A gap belongs to the
loop whose batch was last handed over; the activity recorded with the next event divides it.
"""

from __future__ import annotations

from dataclasses import field

import numpy as np
from numpy.typing import NDArray

from gpuwatch.analyze.numbers.arrays import columns_of
from gpuwatch.analyze.numbers.statistics import Array
from gpuwatch.analyze.processes.sorting import Iterator, Trainer
from gpuwatch.analyze.wall_time.skipped import FEWEST, count_skipped
from gpuwatch.analyze.wall_time.traced import handling_seconds
from gpuwatch.analyze.wall_time.wrappers import fold
from gpuwatch.model.measures import PHASES, Phase, phase_rows
from gpuwatch.records import dataclass

Indices = NDArray[np.intp]
NOBODY = -1
_PARTS = ("forward", "backward", "optimizer", "other")
_FIELDS = (
    "t0",
    "t1",
    "index",
    "end",
    "ready",
    "available",
    "late",
    "awaited",
    "gc_ns",
    "gc_n",
    "cpu_ns",
    "delay_ns",
    "hook_ns",
    "index_ns",
    "exchange_ns",
)
_COUNTS = ("backward_n", "optimizer_n")


@dataclass(slots=True)
class Walk:
    """A trainer's batch events in order. Arrays are parallel; `iterator` is a position in `trainer.iterators`.

    `gap` (ns) lies between the event before and this one's ask, `making` is the part of it in which an iterator was
    made (`made` says which), `wait` (ns) is inside `__next__`. `owner` is whose loop the gap belongs to. `skipped`: how
    many batches an iterator gave for nothing, before the first that was trained on. `wrappers`: what was asked instead of an
    iterator of a loader, both by position."""

    trainer: Trainer
    iterator: Indices
    owner: Indices
    made: Indices
    gap: Array
    making: Array
    wait: Array
    parts: dict[str, Array]
    fields: dict[str, Array]
    first: NDArray[np.bool_]
    training: set[int]
    wrappers: dict[int, int] = field(default_factory=dict)
    skipped: dict[int, int] = field(default_factory=dict)
    _grouped: dict[int, Indices] | None = None

    def __len__(self) -> int:
        return len(self.gap)

    def events_of(self, position: int) -> Indices:
        """Return all events of one iterator, in order."""
        if self._grouped is None:
            self._grouped = _group(self.iterator)
        return self._grouped.get(position, np.zeros(0, dtype=np.intp))

    def of(self, position: int) -> Indices:
        """Return the events of one iterator that handed over a batch, in order."""
        events = self.events_of(position)
        handed: Indices = events[self.fields["end"][events] == 0]
        return handed


def _group(iterator: Indices) -> dict[int, Indices]:
    order = np.argsort(iterator, kind="stable")
    values, starts = np.unique(iterator[order], return_index=True)
    return dict(zip(values.tolist(), np.split(order, starts[1:]), strict=True)) if len(values) else {}


def walk(trainer: Trainer) -> Walk:
    """Put a trainer's events in order and give every gap its owner."""
    iterator, fields, parts = _events(trainer)
    folded = fold(trainer.iterators, iterator, fields, parts)
    iterator, fields, parts = iterator[folded.keep], _take(fields, folded.keep), _take(parts, folded.keep)
    keep = _outermost(fields["t0"], fields["t1"])
    _hand_up(keep, [*parts.values(), *(fields[name] for name in (*_COUNTS, "gc_ns", "gc_n", "cpu_ns"))])
    iterator, fields, parts = iterator[keep], _take(fields, keep), _take(parts, keep)
    cursor = np.maximum.accumulate(np.concatenate(([trainer.start_ns], fields["t1"])))
    begin = np.maximum(fields["t0"], cursor[:-1])
    gap, wait = begin - cursor[:-1], cursor[1:] - begin
    made, making = _makings(trainer.iterators, begin, cursor[:-1])
    first = _first_of_each(iterator)
    owner = _owners(iterator, fields["end"], first)
    result = Walk(
        trainer, iterator, owner, made, gap, np.minimum(making, gap), wait, parts, fields, first, set(), folded.wrappers
    )
    result.training = _training_iterators(result)
    result.skipped = _skipped(result)
    return result


def _skipped(this: Walk) -> dict[int, int]:
    """Return how many batches iterators gave for nothing, of those that did."""
    trained = np.nan_to_num(this.fields["backward_n"]) + np.nan_to_num(this.fields["optimizer_n"])
    between = np.maximum(this.gap - this.making - np.nan_to_num(this.fields["hook_ns"]), 0.0)
    found = {}
    for position, iterator in enumerate(this.trainer.iterators):
        after = this.of(position)[1:]
        if len(after) >= FEWEST and not iterator.attributes.get("own_loop"):
            found[position] = count_skipped(between[after], trained[after], position in this.training)
    return {position: count for position, count in found.items() if count}


def _thrown_away(this: Walk) -> NDArray[np.bool_]:
    """Say which events gave a batch that was skipped."""
    chosen = np.zeros(len(this), dtype=bool)
    for position, count in this.skipped.items():
        chosen[this.of(position)[:count]] = True
    return chosen


def _events(trainer: Trainer) -> tuple[Indices, dict[str, Array], dict[str, Array]]:
    """Return batch and tail events together, sorted by when they were asked for. A tail is an event without length."""
    names = ("iterator", "t", *_FIELDS, *_COUNTS, *(f"{name}_ns" for name in _PARTS))
    batch, tail = (columns_of(trainer.log.table(kind), names) for kind in ("batch", "tail"))

    def both(name: str) -> Array:
        return np.concatenate((batch[name], tail[name]))

    fields = {name: both(name) for name in (*_FIELDS, *_COUNTS)}
    t, handed = tail["t"], len(trainer.log.table("batch"))
    for name in ("t0", "t1"):
        fields[name][handed:] = t
        fields[name] += trainer.shift_ns
    fields["end"][handed:] = 3
    parts = {name: both(f"{name}_ns") for name in _PARTS}
    ids = both("iterator")
    # Of events that begin together the longest is round the others; one without length (a tail) comes before.
    length = fields["t1"] - fields["t0"]
    order = np.lexsort((np.where(length > 0, -length, -np.inf), fields["t0"]))
    order = order[np.isfinite(fields["t0"][order]) & np.isfinite(fields["t1"][order])]
    return _positions(trainer.iterators, ids[order]), _take(fields, order), _take(parts, order)


def _positions(iterators: list[Iterator], ids: Array) -> Indices:
    """Turn iterator ids into positions; an id that no iterator row announced belongs to no loader."""
    known = np.array([iterator.id for iterator in iterators], dtype=np.float64)
    if not len(known):
        return np.full(len(ids), NOBODY, dtype=np.intp)
    order = np.argsort(known)
    at = np.minimum(np.searchsorted(known[order], ids), len(known) - 1)
    return np.where(known[order][at] == ids, order[at], NOBODY).astype(np.intp)


def _take(arrays: dict[str, Array], chosen: NDArray[np.generic]) -> dict[str, Array]:
    return {name: values[chosen] for name, values in arrays.items()}


def _outermost(t0: Array, t1: Array) -> NDArray[np.bool_]:
    """Leave out events inside another's wait: a loader that is iterated by a dataset."""
    if not len(t1):
        return np.zeros(0, dtype=bool)
    latest = np.maximum.accumulate(t1)
    inside = np.concatenate(([False], (t1[1:] <= latest[:-1]) & (t1[1:] > t0[1:])))
    return ~inside


def _hand_up(keep: NDArray[np.bool_], columns: list[Array]) -> None:
    """Give what was recorded with events that are left out to the event around them: it is recorded once."""
    inside = np.flatnonzero(~keep)
    if not len(inside):
        return
    kept = np.flatnonzero(keep)
    outer = kept[np.searchsorted(kept, inside) - 1]
    for values in columns:
        values[inside] = np.nan_to_num(values[inside])
        np.add.at(values, outer, values[inside])


def _first_of_each(iterator: Indices) -> NDArray[np.bool_]:
    first = np.zeros(len(iterator), dtype=bool)
    first[np.unique(iterator, return_index=True)[1]] = True
    first &= iterator != NOBODY
    return first


def _makings(iterators: list[Iterator], begin: Array, previous: Array) -> tuple[Indices, Array]:
    """Return per gap the time in which iterators were made in it, and the last of them."""
    made, making = np.full(len(begin), NOBODY, dtype=np.intp), np.zeros(len(begin))
    for position, iterator in enumerate(iterators):
        at = int(np.searchsorted(begin, iterator.made_ns))
        if at < len(begin) and iterator.start_ns >= previous[at] - 1e6:
            made[at] = position
            making[at] += iterator.made_ns - iterator.start_ns
    return made, making


def _owners(iterator: Indices, end: Array, first: NDArray[np.bool_]) -> Indices:
    """Return whose loop each gap belongs to: the last batch's; after a loop's end that of the loop around it."""
    if not len(iterator):
        return iterator
    before = np.concatenate(([NOBODY], iterator[:-1]))
    ended = np.concatenate(([True], end[:-1] != 0))
    inner = np.where(~first & (iterator != before), iterator, NOBODY)
    owner = np.where(ended, inner, before)
    unclear = np.flatnonzero(ended & (first | (iterator == NOBODY)))
    spans = _spans(iterator) if len(unclear) else {}
    for at in unclear:
        owner[at] = _around(spans, int(at), int(before[at]))
    return owner.astype(np.intp)


def _spans(iterator: Indices) -> dict[int, tuple[int, int]]:
    """Return each iterator's first and last event."""
    positions, first = np.unique(iterator, return_index=True)
    last = len(iterator) - 1 - np.unique(iterator[::-1], return_index=True)[1]
    return {int(p): (int(a), int(b)) for p, a, b in zip(positions, first, last, strict=True) if p != NOBODY}


def _around(spans: dict[int, tuple[int, int]], at: int, ended: int) -> int:
    open_ones = [(span[0], p) for p, span in spans.items() if span[0] < at < span[1] and p != ended]
    return max(open_ones)[1] if open_ones else NOBODY


def _training_iterators(this: Walk) -> set[int]:
    """Return the iterators between whose batches a backward or an optimizer step happened.

    Loops that take a batch from several loaders for one step (GAN, paired data) credit all of them."""
    steps = np.nan_to_num(this.fields["backward_n"]) + np.nan_to_num(this.fields["optimizer_n"]) > 0
    active = np.flatnonzero(steps)
    credit = np.zeros(len(this.trainer.iterators) + 1)
    np.add.at(credit, this.owner[active], 1)
    together = active
    for back in (2, 3, 4):
        together = together[together >= back]
        earlier = together - back
        near = (this.gap[earlier + 1] < 0.05 * this.gap[together]) & (this.fields["end"][earlier] == 0)
        together = together[near]
        np.add.at(credit, this.iterator[earlier[near]], 1)
    handed = np.bincount(this.iterator[(this.iterator >= 0) & recorded_parts(this)], minlength=len(credit))
    trained = {p for p in range(len(this.trainer.iterators)) if credit[p] > max(0.0, 0.01 * handed[p])}
    return trained or _last_ones(this, active)


def recorded_parts(this: Walk) -> NDArray[np.bool_]:
    """Say of each event whether the thread recorded what it did before it; steps that were only timed do not."""
    recorded = [np.isfinite(this.parts[name]) for name in _PARTS]
    return recorded[0] | recorded[1] | recorded[2] | recorded[3]


def _last_ones(this: Walk, active: Indices) -> set[int]:
    """Return the iterators just before steps without a loader: a wrapper that looks one batch ahead."""
    before = this.iterator[active[active > 0] - 1]
    return {int(position) for position in before if position != NOBODY}


def phases(this: Walk, roles: dict[int, str], after_evaluation: Array) -> tuple[Phase, ...]:
    """Divide the trainer's wall time; the rows are those of `model.PHASES` and sum to it.

    `after_evaluation` (ns): the part of each gap of an evaluation's loop that came after it."""
    seconds = dict.fromkeys(PHASES, 0.0)
    role = np.array([_ROLE_CODES[roles.get(p, "none")] for p in range(len(this.trainer.iterators))] + [0])
    _add_waits(this, role, seconds)
    _add_gaps(this, role, after_evaluation, seconds)
    _move_between(this, role, seconds)
    _add_ends(this, role, seconds)
    _move_tracing(this, seconds)
    wall = (this.trainer.end_ns - this.trainer.start_ns) / 1e9
    seconds = {name: float(value) / 1e9 for name, value in seconds.items()}
    seconds["unexplained"] += wall - sum(seconds.values())
    return phase_rows(seconds, wall)


# What an iterator is to the phases: in its loop the step's parts are told apart, or all of it is evaluation.
_ROLE_CODES = {"none": 0, "evaluation": 1, "training": 2, "inference": 2}


def _add_waits(this: Walk, role: NDArray[np.int_], seconds: dict[str, float]) -> None:
    mine, wait = role[this.iterator], this.wait
    with_workers = np.array([i.worker_count > 0 for i in this.trainer.iterators] + [False])[this.iterator]
    starting = (this.first & with_workers | _thrown_away(this)) & (mine == 2)
    over = (mine == 2) & (this.fields["end"] != 0) & ~starting
    seconds["evaluation"] += wait[mine == 1].sum()
    seconds["loader startup"] += wait[starting].sum()
    seconds["between loops"] += wait[over].sum()
    seconds["input wait"] += wait[(mine == 2) & ~starting & ~over].sum()
    before = np.arange(len(this)) < _loop_events(this, role)[0]
    seconds["startup"] += wait[(mine == 0) & before].sum()
    seconds["unexplained"] += wait[(mine == 0) & ~before].sum()


def _add_gaps(this: Walk, role: NDArray[np.int_], after_evaluation: Array, seconds: dict[str, float]) -> None:
    owner, made = role[this.owner], role[this.made]
    seconds["evaluation"] += this.making[made == 1].sum()
    seconds["loader startup"] += this.making[made != 1].sum()
    net = this.gap - this.making
    seconds["evaluation"] += (net - after_evaluation)[owner == 1].sum()
    seconds["between loops"] += after_evaluation.sum()
    _add_parts(this, net, owner == 2, "other in-step", seconds)
    outside = owner == 0
    order, (first, last) = np.arange(len(this)), _loop_events(this, role)
    _add_parts(this, net, outside & (last < 0), "unexplained", seconds)
    _add_parts(this, net, outside & (order <= first), "startup", seconds)
    _add_parts(this, net, outside & (order > first) & (order <= last), "between loops", seconds)
    _add_parts(this, net, outside & (order > last) & (last >= 0), "shutdown", seconds)


def _move_between(this: Walk, role: NDArray[np.int_], seconds: dict[str, float]) -> None:
    """Count what follows the last batch of a pass that was left before its end, beyond a usual step, between the loops: an
    iterator whose workers persist goes on to exist, and its loop seems to go on."""
    for position in range(len(this.trainer.iterators)):
        handed = this.of(position)
        if role[position] != 2 or len(handed) < _FEWEST_BEFORE or handed[-1] + 2 >= len(this):
            continue
        after, before = handed[-1] + 1, handed[1:]
        if this.fields["end"][after] == 3 and this.iterator[after] == position:
            usual = float(np.median((this.gap - this.making)[before]))
            # Steps that left timestamps only do not tell what they did.
            other = float(this.parts["other"][after])
            moved = min(float(this.gap[after]) - _MOST_USUAL * usual, other if other == other else np.inf)
            if moved > _LEAST_BETWEEN_NS:
                seconds["other in-step"] -= moved
                seconds["between loops"] += moved


def _move_tracing(this: Walk, seconds: dict[str, float]) -> None:
    """Count opening and closing windows of torch.profiler for itself: it happens before requests, in a step's other time."""
    taken = min(handling_seconds(this.trainer) * 1e9, seconds["other in-step"])
    seconds["other in-step"] -= taken
    seconds["tracing"] += taken


def _loop_events(this: Walk, role: NDArray[np.int_]) -> tuple[int, int]:
    """Return the first and the last event of any loader that has a role; -1 when none was used."""
    belongs = np.flatnonzero((role[this.iterator] != 0) & (this.fields["end"] != 3))
    return (int(belongs[0]), int(belongs[-1])) if len(belongs) else (-1, -1)


def _add_parts(this: Walk, net: Array, chosen: NDArray[np.bool_], rest: str, seconds: dict[str, float]) -> None:
    """Divide gaps by what the thread recorded of them; `rest` gets what it called other, or did not divide."""
    if rest == "other in-step":
        untold = chosen & ~recorded_parts(this)
        chosen = chosen & ~untold
        _add_untold(this, net, untold, chosen, seconds)
    recorded = np.stack([np.nan_to_num(this.parts[name][chosen]) for name in _PARTS])
    # Making an iterator is no activity that the thread tells: it counted as other.
    recorded[3] = np.maximum(recorded[3] - this.making[chosen], 0.0)
    length = net[chosen]
    if rest != "other in-step":
        # Outside of loops only backward and optimizer are told for sure; a forward there has no beginning.
        recorded[0], recorded[3] = 0.0, np.maximum(length - recorded[1] - recorded[2], 0.0)
    if rest == "other in-step" and not np.isfinite(this.parts["other"][chosen]).any():
        recorded[3] = np.maximum(length - recorded[:3].sum(axis=0), 0.0)
    whole = recorded.sum(axis=0)
    scale = np.where(whole > length, length / np.maximum(whole, 1.0), 1.0)
    sums = (recorded * scale).sum(axis=1)
    for name, value in zip(("forward", "backward", "optimizer", rest), sums, strict=True):
        seconds[name] += float(value)
    seconds["unexplained"] += float(length.sum() - sums.sum())


# Steps that say what the last one of a pass may have taken, and how much more it has to be to be something else.
_FEWEST_BEFORE, _LEAST_BETWEEN_NS = 4, 50_000_000
# A step this many times as long as the usual one that told what it did has something in it that the others lack.
_MOST_USUAL = 2.0


def _add_untold(
    this: Walk, net: Array, untold: NDArray[np.bool_], recorded: NDArray[np.bool_], seconds: dict[str, float]
) -> None:
    """Divide the steps that were only timed as those were that recorded what they did; what is far above them is other."""
    length = net[untold]
    if not recorded.any():
        seconds["other in-step"] += float(length.sum())
        return
    alike = np.minimum(length, _MOST_USUAL * float(np.median(net[recorded])))
    parts = np.array([float(np.nan_to_num(this.parts[name][recorded]).sum()) for name in _PARTS[:3]])
    shares = parts / max(float(net[recorded].sum()), float(parts.sum()), 1.0)
    for name, share in zip(_PARTS[:3], shares, strict=True):
        seconds[name] += float(share * alike.sum())
    seconds["other in-step"] += float(length.sum() - shares.sum() * alike.sum())


def _add_ends(this: Walk, role: NDArray[np.int_], seconds: dict[str, float]) -> None:
    """Give the time after the last event: shutdown when the loops were over, else a step cut off."""
    trainer = this.trainer
    if not len(this):
        made = [i for i in trainer.iterators if i.start_ns >= trainer.start_ns]
        begin = made[0].start_ns if made else trainer.end_ns
        seconds["startup"] += begin - trainer.start_ns
        seconds["loader startup"] += trainer.end_ns - begin
        return
    left = trainer.end_ns - max(float(this.fields["t1"].max()), trainer.start_ns)
    cut_off = this.fields["end"][-1] == 0
    seconds["unexplained" if cut_off else "shutdown"] += max(left, 0.0)
