"""How the steps of a loop changed while it ran: with its age, within each epoch, or from one step on.

Steps are taken together in blocks, each with the median of its computing and the mean of its waits, so that a pause or a
burst of batches is no trend. A slope counts only where it goes on through the whole run and a line describes it better than
two levels do; two levels are a change point.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gpuwatch.analyze.loading.fetches import Maker
from gpuwatch.analyze.machine.usage import Usage
from gpuwatch.analyze.numbers.statistics import Array
from gpuwatch.analyze.numbers.trends import Split, best_split, clusters, concordance, is_apart, line_error, theil_sen
from gpuwatch.analyze.wall_time.loaders import Loader
from gpuwatch.analyze.wall_time.phases import Indices
from gpuwatch.analyze.wall_time.steps import Steps
from gpuwatch.model.measures import Interval
from gpuwatch.model.trend import PartTrend, Shape, StepKind, Trend

_FEWEST_STEPS, _FEWEST_SECONDS = 48, 2.0
_MOST_BLOCKS, _BLOCK_STEPS = 40, 6
# A trend: nearly all pairs of blocks agree on it, and the middle third of the run is well between the others.
_AGREE, _BETWEEN, _GREW = 0.6, (0.15, 0.85), 1.25
# ... fewer of the whole step agree where one part, which is most of the growth, has such a trend.
_AGREE_ALL, _MOST_OF = 0.35, 0.6
# A change: a level so much higher, so far outside of what either side spreads, that explains so much more than a line.
_CHANGED, _SPREADS, _BETTER = 1.3, 4.0, 0.6
_MARGIN = 0.1
# Of a growth in steps, the part that has to be waiting for a core to be that.
_CONTENDED = 0.5
_NAMES = {"forward": "forward", "backward": "backward", "optimizer": "optimizer", "other": "other in-step"}
# Kinds of steps: apart by so much, each so many of all.
_GAP, _KIND_SHARE, _MOST_KINDS = 0.25, 0.08, 5


class _Ends(NamedTuple):
    """Which steps are compared: the first of a run (of its epochs), or those before a change, and the last."""

    first: Indices
    last: Indices


def find_trend(loader: Loader, steps: Steps, makers: list[Maker], usages: list[Usage]) -> Trend | None:
    """Return how a loop's steps changed; None with too few of them."""
    at = np.flatnonzero(steps.steady)
    if len(at) < _FEWEST_STEPS or steps.seconds < _FEWEST_SECONDS:
        return None
    blocks = _blocks(steps, at)
    shape, ends, split = _shape(loader, steps, at, blocks)
    per_block = len(at) / len(blocks)
    whole = _part("step", steps, at, ends, blocks, per_block, None)
    from_step = int(at[int(split.at * per_block)]) if split is not None else None
    contended = _delay_growth(loader, steps, at, ends) >= _CONTENDED * max(whole.growth_ms, 1e-9)
    return Trend(
        shape=shape,
        steps=len(at),
        whole=whole,
        parts=_parts(loader, steps, at, ends, per_block),
        mean_ms=float((steps.compute + steps.wait)[at].mean()) / 1e6,
        from_step=from_step,
        wait_before=_wait_share(steps, ends.first),
        wait_after=_wait_share(steps, ends.last),
        contended=contended and shape != "steady",
        batches_ratio=_batches_ratio(loader, steps, makers, ends),
        memory_slope=_memory_slope(loader, steps, at, usages),
        cpu_growth_ms=_cpu_growth(loader, steps, ends),
        kinds=_kinds(steps, at) if shape == "steady" else (),
    )


def _blocks(steps: Steps, at: Indices) -> Array:
    """Return the length of a step (ms) in each block of the run."""
    count = max(min(len(at) // max(_BLOCK_STEPS, steps.group), _MOST_BLOCKS), 6)
    parts = np.array_split(at, count)
    return np.array([_level(steps, part) for part in parts])


def _level(steps: Steps, chosen: Indices) -> float:
    return float(np.median(steps.compute[chosen]) + steps.wait[chosen].mean()) / 1e6


def _shape(loader: Loader, steps: Steps, at: Indices, blocks: Array) -> tuple[Shape, _Ends, Split | None]:
    third = len(at) // 3
    ends = _Ends(at[:third], at[-third:])
    split = best_split(blocks, max(int(_MARGIN * len(blocks)), 2))
    if _has_changed(blocks, split):
        cut = int(split.at * len(at) / len(blocks))
        return "changed", _Ends(at[:cut], at[cut:]), split
    if _grows(blocks) or _a_part_grows(loader, steps, at, blocks):
        return "growing", _Ends(at[: max(third // 2, 4)], at[-max(third // 2, 4) :]), None
    epochs = _epochs(loader, steps, at)
    growing = [epoch for epoch in epochs if _grows(_blocks(steps, epoch))]
    if len(epochs) >= 2 and len(growing) >= 0.75 * len(epochs):
        sixth = [max(len(epoch) // 6, 4) for epoch in epochs]
        first = np.concatenate([epoch[:n] for epoch, n in zip(epochs, sixth, strict=True)])
        last = np.concatenate([epoch[-n:] for epoch, n in zip(epochs, sixth, strict=True)])
        return "growing in each epoch", _Ends(first, last), None
    return "steady", ends, None


def _has_changed(blocks: Array, split: Split) -> bool:
    low, high = sorted((split.before, split.after))
    better = split.error <= _BETTER * line_error(blocks, theil_sen(blocks).median)
    return high >= _CHANGED * low and better and is_apart(blocks, split, _SPREADS)


def _grows(blocks: Array, agree: float = _AGREE) -> bool:
    first, middle, last = _thirds(blocks)
    if last < _GREW * first or theil_sen(blocks).low <= 0 or concordance(blocks) < agree:
        return False
    return _BETWEEN[0] <= (middle - first) / (last - first) <= _BETWEEN[1]


def _thirds(blocks: Array) -> tuple[float, ...]:
    return tuple(float(np.median(part)) for part in np.array_split(blocks, 3))


def _a_part_grows(loader: Loader, steps: Steps, at: Indices, blocks: Array) -> bool:
    """Say whether one part grows for certain and is most of what the step grows by: other parts may hide a slope."""
    if not _grows(blocks, _AGREE_ALL):
        return False
    first, _, last = _thirds(blocks)
    for name, values in _values_of_parts(loader, steps).items():
        if np.isfinite(values[at]).sum() >= _FEWEST_STEPS:
            part = _means(name, values, at, len(blocks))
            begin, _, end = _thirds(part)
            if _grows(part) and end - begin >= _MOST_OF * (last - first):
                return True
    return False


def _values_of_parts(loader: Loader, steps: Steps) -> dict[str, Array]:
    """Return the length of each part (ns) in each step; NaN in steps that were only timed."""
    return {name: loader.walk.parts[key][steps.event] for key, name in _NAMES.items()}


def _epochs(loader: Loader, steps: Steps, at: Indices) -> list[Indices]:
    """Return the steps of each epoch that has enough of them."""
    iterator = loader.walk.iterator[steps.event[at]]
    parts = np.split(at, np.flatnonzero(np.diff(iterator)) + 1)
    return [part for part in parts if len(part) >= _FEWEST_STEPS]


def _part(
    name: str, steps: Steps, at: Indices, ends: _Ends, blocks: Array, per_block: float, values: Array | None
) -> PartTrend:
    """Return the trend of one part; `values`: its length (ns) in each step, None for the whole step."""
    slope = theil_sen(blocks)
    scale = 100.0 / per_block
    first, last = (
        _level(steps, chosen) if values is None else _typical(name, values[chosen]) / 1e6
        for chosen in (ends.first, ends.last)
    )
    interval = Interval(slope.median * scale, slope.low * scale, slope.high * scale, len(at))
    return PartTrend(name, interval, first, last)


def _typical(name: str, values: Array) -> float:
    known = values[np.isfinite(values)]
    if not len(known):
        return 0.0
    return float(known.mean() if name == "input wait" else np.median(known))


def _parts(loader: Loader, steps: Steps, at: Indices, ends: _Ends, per_block: float) -> tuple[PartTrend, ...]:
    """Return the trends of the parts, of those steps that recorded them; of the whole computing where too few did."""
    of_steps = _values_of_parts(loader, steps)
    told = sum(bool(np.isfinite(of_steps["backward"][end]).sum() >= 4) for end in ends) == 2
    values = {name: one for name, one in of_steps.items() if told} or {"compute": steps.compute}
    values["input wait"] = steps.wait
    return tuple(
        _part(name, steps, at, ends, _means(name, one, at, int(len(at) / per_block)), per_block, one)
        for name, one in values.items()
        if np.isfinite(one[at]).any()
    )


def _means(name: str, values: Array, at: Indices, count: int) -> Array:
    parts = np.array_split(at, count)
    found = np.array([_typical(name, values[part]) if np.isfinite(values[part]).any() else np.nan for part in parts])
    known = np.flatnonzero(np.isfinite(found))
    filled: Array = np.interp(np.arange(count), known, found[known]) / 1e6
    return filled


def _wait_share(steps: Steps, chosen: Indices) -> float:
    whole = float((steps.wait + steps.compute)[chosen].sum())
    return float(steps.wait[chosen].sum()) / whole if whole > 0 else 0.0


def _delay_growth(loader: Loader, steps: Steps, at: Indices, ends: _Ends) -> float:
    """Return how much longer a step waits for a core in the end (ms)."""
    return _per_step(loader, steps, ends.last, "delay_ns") - _per_step(loader, steps, ends.first, "delay_ns")


def _cpu_growth(loader: Loader, steps: Steps, ends: _Ends) -> float | None:
    """Return how much more CPU time of the training thread a step takes in the end (ms)."""
    early, late = (_per_step(loader, steps, chosen, "cpu_ns") for chosen in ends)
    return late - early if early or late else None


def _per_step(loader: Loader, steps: Steps, chosen: Indices, name: str) -> float:
    """Return a meter's mean per step (ms): each reading covers the time since the one before, so that sums are right."""
    values = loader.walk.fields[name][steps.event[chosen]]
    return float(np.nansum(values)) / max(len(chosen), 1) / 1e6


def _batches_ratio(loader: Loader, steps: Steps, makers: list[Maker], ends: _Ends) -> float | None:
    """Return how much larger late batches are than early ones, by samples or by bytes."""
    if not makers:
        return None
    ratios = []
    for table, name in (
        (lambda m: m.fetches, "samples"),
        (lambda m: m.sent, "bytes"),
        (lambda m: m.sent, "tensor_bytes"),
    ):
        rows = [table(maker) for maker in makers]
        known = [row for row in rows if row and name in row and len(row[name])]
        if not known:
            continue
        when, values = (np.concatenate([row[key] for row in known]) for key in ("t1", name))
        early, late = (_mean_between(when, values, steps, chosen) for chosen in ends)
        if early and late:
            ratios.append(late / early)
    return max(ratios, default=None)


def _mean_between(when: Array, values: Array, steps: Steps, chosen: Indices) -> float | None:
    begin, end = float(steps.begin[chosen].min()), float(steps.end[chosen].max())
    inside = values[(when >= begin) & (when <= end) & np.isfinite(values)]
    return float(inside.mean()) if len(inside) else None


def _memory_slope(loader: Loader, steps: Steps, at: Indices, usages: list[Usage]) -> float | None:
    """Return the bytes by which the trainer's memory grew per 100 steps; None without four readings."""
    window = float(steps.begin[at[0]]), float(steps.end[at[-1]])
    mine = [usage for usage in usages if usage.pid == loader.trainer.log.pid]
    values = max((usage.inside("rss_bytes", window) for usage in mine), key=len, default=np.zeros(0))
    if len(values) < 4:
        return None
    return theil_sen(values).median * (len(values) - 1) / len(at) * 100.0


def _kinds(steps: Steps, at: Indices) -> tuple[StepKind, ...]:
    """Return the kinds of steps by how long they compute, where there are a few that lie apart."""
    values = steps.compute[at] / 1e6
    found = clusters(values, _KIND_SHARE, _GAP, _MOST_KINDS)
    return tuple(StepKind(len(group) / len(values), float(np.median(group))) for group in found)
