"""Compare the ranks of a training step by step: who is the latest, always the same one or another each time.

All ranks of a synchronised training leave a step together. What a rank did not spend waiting for the others is its own; where
the waiting is shows in what differs most between ranks: calls that exchange, or the backward pass, in which DDP does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gpuwatch.analyze.loops import Analysis, Loop, main_loop
from gpuwatch.analyze.numbers.statistics import Array
from gpuwatch.model.rank_comparison import OwnPart, RankSteps

FEWEST = 20
# The latest rank is felt where it is over the mean by this part of a usual step.
_FELT = 0.1
_STEEPEST = 4.0


class Table(NamedTuple):
    """Steps of all ranks (rank × step, ns), each from the end of one exchange to the end of the next. `own`: without waiting
    for others; `waited`: for them; `begin`: of the batch before it, by each rank's own clock; `total`: from there to the next
    batch, with what is nested in it."""

    ranks: tuple[int, ...]
    begin: Array
    total: Array
    own: Array
    waited: Array
    parts: dict[OwnPart, Array]


def compare_ranks(nodes: Sequence[Analysis]) -> RankSteps | None:
    """Return how the ranks compare, step by step; None with fewer than two ranks, or too few steps that all of them have."""
    table = table_of(nodes)
    return None if table is None else _compared(table)


def main_loops(nodes: Sequence[Analysis]) -> list[Loop]:
    """Return each rank's main loop, in the order of the ranks; none unless all of one training are there."""
    found = []
    for node in nodes:
        for walk in node.walks:
            loops = node.loops_of(walk)
            own = node.primary if node.primary and node.primary.loader.walk is walk else main_loop(loops)
            if own is not None and own.loader.trainer.world_size > 1:
                found.append(own)
    return sorted(found, key=lambda loop: loop.loader.trainer.rank)


def table_of(nodes: Sequence[Analysis]) -> Table | None:
    """Return the steps that were measured in full on every rank; None with fewer than two ranks, or too few such steps."""
    loops = main_loops(nodes)
    if len(loops) < 2:
        return None
    read = _Read(loops)
    kept = np.flatnonzero(read.kept[:-1] & read.kept[1:])
    if len(kept) < FEWEST:
        return None
    # What follows an exchange is in one step, the forward pass before the next exchange in the following one.
    this, following = kept, kept + 1
    backward, exchange, forward = (read.rows(name) for name in ("backward", "exchange", "forward"))
    wait, compute, nested = (read.rows(name) for name in ("wait", "compute", "nested"))
    in_backward = _spread(backward[:, following]) > _spread(exchange[:, following])
    before = forward if in_backward else forward + backward
    after = np.maximum(compute - forward - backward - exchange, 0.0)
    own = after[:, this] + nested[:, this] + wait[:, this] + before[:, following]
    waited = exchange[:, following]
    if in_backward:
        # The exchange begins in the backward pass: its own part is that of the rank which waits for nobody.
        both = backward[:, following]
        computed = np.minimum(_own_backward(own, both), both)
        own, waited = own + computed, waited + both - computed
    parts: dict[OwnPart, Array] = {"input wait": wait[:, this], "forward": before[:, following], "rest": after[:, this]}
    total = (wait + compute + nested)[:, this]
    return Table(
        tuple(loop.loader.trainer.rank for loop in loops), read.rows("begin")[:, this], total, own, waited, parts
    )


class _Read:
    """The steps of several ranks, side by side in their order. `kept`: measured in full on all of them, after the warm-up."""

    def __init__(self, loops: Sequence[Loop]) -> None:
        orders = [np.argsort(loop.steps.begin, kind="stable") for loop in loops]
        count = min(len(order) for order in orders)
        self._sides = [(loop, order[:count]) for loop, order in zip(loops, orders, strict=True)]
        self.kept = np.logical_and.reduce(
            [loop.steps.steady[order] & loop.steps.recorded[order] for loop, order in self._sides]
        )

    def rows(self, name: str) -> Array:
        """Return a value of each step (ns), of one rank below the other; what was not measured is 0."""
        return np.array([np.nan_to_num(_values(loop, name)[order]) for loop, order in self._sides])


def _values(loop: Loop, name: str) -> Array:
    walk, steps = loop.loader.walk, loop.steps
    if name == "exchange":
        return walk.fields["exchange_ns"][steps.event]
    own: Array = walk.parts[name][steps.event] if name in walk.parts else getattr(steps, name)
    return own


def _spread(values: Array) -> float:
    return float(np.mean(values.max(axis=0) - values.min(axis=0)))


def _own_backward(own: Array, backward: Array) -> Array:
    """Return what of each backward pass is the rank's own, by the pass of each step's latest rank."""
    latest, steps = own.argmax(axis=0), np.arange(own.shape[1])
    x, y = own[latest, steps], backward[latest, steps]
    slope = float(np.clip(np.cov(x, y)[0, 1] / np.var(x), 0.0, _STEEPEST)) if np.var(x) > 0 else 0.0
    level = float(np.median(y - slope * x))
    computed: Array = np.maximum(level + slope * own, 0.0)
    return computed


def _compared(table: Table) -> RankSteps:
    own, step = table.own, float(np.mean(table.total))
    mean, latest = own.mean(axis=0), own.argmax(axis=0)
    over = own.max(axis=0) - mean
    by_rank = own.mean(axis=1)
    steps = np.arange(own.shape[1])
    at = {name: float(np.mean(values[latest, steps] - values.mean(axis=0))) for name, values in table.parts.items()}
    return RankSteps(
        steps=own.shape[1],
        step_ms=step / 1e6,
        lost_ms=float(over.mean()) / 1e6,
        fixed_ms=float(by_rank.max() - by_rank.mean()) / 1e6,
        last=tuple((rank, float(np.mean(latest == n))) for n, rank in enumerate(table.ranks)),
        turns=float(np.mean(latest[1:] != latest[:-1])),
        felt=float(np.mean(over > _FELT * step)),
        part=max(at, key=lambda name: at[name]),
    )
