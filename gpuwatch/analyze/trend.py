"""How the steps of a loop changed while it ran: with its age, within each epoch, or from one step on.

Steps are taken together in blocks, each with the median of its computing and the mean of its waits, so that a pause or a
burst of batches is no trend. A slope counts only where it goes on through the whole run and a line describes it better than
two levels do; two levels are a change point.
"""

from __future__ import annotations

import numpy as np

from gpuwatch.analyze.loading.fetches import Maker
from gpuwatch.analyze.machine.usage import Usage, other_cores
from gpuwatch.analyze.numbers.statistics import Array
from gpuwatch.analyze.numbers.trends import clusters, theil_sen
from gpuwatch.analyze.wall_time.loaders import Loader
from gpuwatch.analyze.wall_time.phases import Indices
from gpuwatch.analyze.wall_time.shapes import (
    FEWEST_STEPS,
    Ends,
    block_lengths,
    block_means,
    level_ms,
    shape_of,
    typical,
    values_of_parts,
)
from gpuwatch.analyze.wall_time.steps import Steps
from gpuwatch.model.measures import Interval
from gpuwatch.model.recording import ProcessLog
from gpuwatch.model.trend import PartTrend, StepKind, Trend

_FEWEST_SECONDS = 2.0
# Of a growth in steps, the part that has to be waiting for a core to be that.
_CONTENDED = 0.5
# A batch that costs so much more to make in the end is why it is waited for longer; else a core was lacking.
_DEARER = 1.25
# So many cores more that other programs use slow a training down without its waiting for one: cores share what they have.
_NEIGHBOUR = 0.4
# Levels of memory that its slope is taken from: a day has many readings.
_LEVELS = 40
OTHER = "other in-step"
# Parts that grew by less of what the step grew by are not what grew.
_EXPLAINED = 0.5
# Kinds of steps: apart by so much, each so many of all.
_GAP, _KIND_SHARE, _MOST_KINDS = 0.25, 0.08, 5


def find_trend(
    loader: Loader, steps: Steps, makers: list[Maker], usages: list[Usage], sampler: ProcessLog | None
) -> Trend | None:
    """Return how a loop's steps changed; None with too few of them."""
    at = np.flatnonzero(steps.steady)
    if len(at) < FEWEST_STEPS or steps.seconds < _FEWEST_SECONDS:
        return None
    blocks = block_lengths(steps, at)
    shape, ends, split = shape_of(loader, steps, at, blocks)
    per_block = len(at) / len(blocks)
    whole = _part("step", steps, at, ends, blocks, per_block, None)
    from_step = int(at[int(split.at * per_block)]) if split is not None else None
    parts = _with_rest(whole, _parts(loader, steps, at, ends, per_block))
    dearer = _is_dearer(steps, makers, ends) if _grown(parts) == "input wait" else None
    if dearer is not None:
        contended = not dearer
    else:
        waits = _delay_growth(loader, steps, ends) >= _CONTENDED * max(whole.growth_ms, 1e-9)
        contended = waits or _others_growth(steps, ends, usages, sampler) >= _NEIGHBOUR
    return Trend(
        shape=shape,
        steps=len(at),
        whole=whole,
        parts=parts,
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


def _part(
    name: str, steps: Steps, at: Indices, ends: Ends, blocks: Array, per_block: float, values: Array | None
) -> PartTrend:
    """Return the trend of one part; `values`: its length (ns) in each step, None for the whole step."""
    slope = theil_sen(blocks)
    scale = 100.0 / per_block
    first, last = (
        level_ms(steps, chosen) if values is None else typical(name, values[chosen]) / 1e6
        for chosen in (ends.first, ends.last)
    )
    interval = Interval(slope.median * scale, slope.low * scale, slope.high * scale, len(at))
    return PartTrend(name, interval, first, last)


def _parts(loader: Loader, steps: Steps, at: Indices, ends: Ends, per_block: float) -> tuple[PartTrend, ...]:
    """Return the trends of the parts, of those steps that recorded them; of the whole computing where too few did."""
    of_steps = values_of_parts(loader, steps)
    told = sum(bool(np.isfinite(of_steps["backward"][end]).sum() >= 4) for end in ends) == 2
    values = {name: one for name, one in of_steps.items() if told} or {"compute": steps.compute}
    values["input wait"] = steps.wait
    return tuple(
        _part(name, steps, at, ends, block_means(name, one, at, int(len(at) / per_block)), per_block, one)
        for name, one in values.items()
        if np.isfinite(one[at]).any()
    )


def _with_rest(whole: PartTrend, parts: tuple[PartTrend, ...]) -> tuple[PartTrend, ...]:
    """Return the parts with what they leave of the step, where they leave most of its growth: a loop without a DataLoader
    records few of its steps, and those in which more than one optimizer is stepped not alike."""
    if whole.growth_ms <= 0 or sum(part.growth_ms for part in parts) >= _EXPLAINED * whole.growth_ms:
        return parts
    known = [part for part in parts if part.name != OTHER]
    first, last = (
        max(end - sum(ends), 0.0)
        for end, ends in (
            (whole.first_ms, [part.first_ms for part in known]),
            (whole.last_ms, [part.last_ms for part in known]),
        )
    )
    return (*known, PartTrend(OTHER, whole.slope, first, last))


def _grown(parts: tuple[PartTrend, ...]) -> str | None:
    return max(parts, key=lambda part: part.growth_ms).name if parts else None


def _is_dearer(steps: Steps, makers: list[Maker], ends: Ends) -> bool | None:
    """Say whether a batch takes more work in the end, and that is most of what it takes longer: the rest is waiting for a
    core. None where that is unknown."""
    rows = [maker.fetches for maker in makers if len(maker)]
    if not rows:
        return None
    when, begun, delay = (np.concatenate([row[key] for row in rows]) for key in ("t1", "t0", "delay_ns"))
    waited, whole = np.nan_to_num(delay), when - begun
    (early, late), (idle, later) = ([_mean_between(when, v, steps, one) for one in ends] for v in (whole, waited))
    if not early or not late:
        return None
    before, after = early - (idle or 0.0), late - (later or 0.0)
    return after >= _DEARER * before and after - before >= (1 - _CONTENDED) * (late - early)


def _wait_share(steps: Steps, chosen: Indices) -> float:
    whole = float((steps.wait + steps.compute)[chosen].sum())
    return float(steps.wait[chosen].sum()) / whole if whole > 0 else 0.0


def _others_growth(steps: Steps, ends: Ends, usages: list[Usage], sampler: ProcessLog | None) -> float:
    """Return how many more cores other programs use in the end; 0 where that is unknown."""
    windows = [(float(steps.begin[chosen].min()), float(steps.end[chosen].max())) for chosen in ends]
    early, late = (other_cores(sampler, usages, window) for window in windows)
    return late - early if early is not None and late is not None else 0.0


def _delay_growth(loader: Loader, steps: Steps, ends: Ends) -> float:
    """Return how much longer a step waits for a core in the end (ms)."""
    return _per_step(loader, steps, ends.last, "delay_ns") - _per_step(loader, steps, ends.first, "delay_ns")


def _cpu_growth(loader: Loader, steps: Steps, ends: Ends) -> float | None:
    """Return how much more CPU time of the training thread a step takes in the end (ms)."""
    early, late = (_per_step(loader, steps, chosen, "cpu_ns") for chosen in ends)
    return late - early if early or late else None


def _per_step(loader: Loader, steps: Steps, chosen: Indices, name: str) -> float:
    """Return a meter's mean per step (ms): each reading covers the time since the one before, so that sums are right."""
    values = loader.walk.fields[name][steps.event[chosen]]
    return float(np.nansum(values)) / max(len(chosen), 1) / 1e6


def _batches_ratio(loader: Loader, steps: Steps, makers: list[Maker], ends: Ends) -> float | None:
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
    levels = np.array([np.median(part) for part in np.array_split(values, min(len(values), _LEVELS))])
    return theil_sen(levels).median * (len(levels) - 1) / len(at) * 100.0


def _kinds(steps: Steps, at: Indices) -> tuple[StepKind, ...]:
    """Return the kinds of steps by how long they compute, where there are a few that lie apart."""
    values = steps.compute[at] / 1e6
    found = clusters(values, _KIND_SHARE, _GAP, _MOST_KINDS)
    return tuple(StepKind(len(group) / len(values), float(np.median(group))) for group in found)
