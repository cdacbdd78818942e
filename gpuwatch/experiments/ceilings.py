"""The ceilings: what the device could do, what the input pipeline could do, and what the two do together.

Three arms in turns inside one process, at each number of cores: end to end, the same cached batches, the loader
alone. Which of the halves is lower is the limit; the loader's rate per core says how many cores would balance it.
Source: the input-pipeline studies that compare synthetic data, input only and end to end (Lee, Lee, Chun).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

from gpuwatch.experiments.pairing import rate_interval
from gpuwatch.experiments.session import Result, Window
from gpuwatch.model import Ceiling, Interval

Limit = Literal["device", "loader", "balanced"]
ARMS = (("end to end", "real"), ("device", "cached"), ("loader", "loader"))
# Closer than this, neither half is clearly the limit.
EVEN = 0.05


def plan(cores: Sequence[int], rounds: int, seconds: float) -> list[Window]:
    """Return the windows: all rounds at one number of cores before the next, the arms in turns."""
    return [
        Window(f"{name} @{count}", kind, round_, seconds, cores=count)
        for count in cores
        for round_ in range(rounds)
        for name, kind in _turn(round_)
    ]


def _turn(round_: int) -> list[tuple[str, str]]:
    """Return the arms in an order that changes with the round, so that a drift hits all alike."""
    shift = round_ % len(ARMS)
    return [*ARMS[shift:], *ARMS[:shift]]


def conclude(results: Sequence[Result], cores: Sequence[int]) -> tuple[Ceiling, ...]:
    """Return the ceilings of those core counts for which all three arms were measured."""
    found = (_ceiling(results, count) for count in cores)
    return tuple(ceiling for ceiling in found if ceiling is not None)


def _ceiling(results: Sequence[Result], cores: int) -> Ceiling | None:
    rates = [rate_interval([r for r in results if r.arm == f"{name} @{cores}"]) for name, _ in ARMS]
    whole, device, loader = rates
    if whole is None or device is None or loader is None:
        return None
    return Ceiling(cores, whole, device, loader, limit_of(device, loader))


def limit_of(device: Interval, loader: Interval) -> Limit:
    """Return which half is the limit; `balanced` when they are within 5 %."""
    if abs(device.median - loader.median) <= EVEN * max(device.median, loader.median):
        return "balanced"
    return "loader" if loader.median < device.median else "device"


def balance_cores(ceilings: Sequence[Ceiling]) -> float | None:
    """Return the cores at which the loader would keep up with the device; None when that cannot be told.

    Between two measured counts it is interpolated; beyond them the loader's rate per core is taken on from the
    largest count, which holds while the work is CPU-bound.
    """
    ordered = sorted(ceilings, key=lambda c: c.cores)
    if not ordered:
        return None
    if ordered[0].loader.median >= ordered[0].device.median:
        return float(ordered[0].cores)
    for low, high in itertools.pairwise(ordered):
        if high.loader.median >= high.device.median:
            return _crossing(low, high)
    last = ordered[-1]
    return last.cores * last.device.median / last.loader.median


def _crossing(low: Ceiling, high: Ceiling) -> float:
    missing = low.device.median - low.loader.median
    spare = high.loader.median - high.device.median
    return low.cores + (high.cores - low.cores) * missing / max(missing + spare, 1e-9)
