"""The ceilings: what the device could do, what the input pipeline could do, and what the two do together.

Three arms in turns inside one process, at each number of cores: end to end, the same cached batches, the loader
alone. Which of the halves is lower is the limit; the loader's rate per core says how many cores would balance it.
Source: the input-pipeline studies that compare synthetic data, input only and end to end (Lee, Lee, Chun).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

from gpuwatch.experiments.pairing import is_tight, rate_interval
from gpuwatch.experiments.session import Result, Window
from gpuwatch.model.experiment import Ceiling
from gpuwatch.model.measures import Interval

Limit = Literal["device", "loader", "balanced"]
ARMS = (("end to end", "real"), ("device", "cached"), ("loader", "loader"))
# Closer than this, neither half is clearly the limit.
EVEN = 0.05
# Intervals of this width tell enough.
TIGHT = 0.03


def round_of(cores: int, number: int, seconds: float) -> list[Window]:
    """Return one round at a number of cores: each arm once, in an order that changes with the round."""
    windows = [Window(f"{name} @{cores}", kind, number, seconds, cores=cores) for name, kind in ARMS]
    shift = number % len(windows)
    return [*windows[shift:], *windows[:shift]]


def closing(cores: int) -> list[Window]:
    """Return the windows that end the workers of a number of cores."""
    return [Window(f"{name} @{cores}", "close") for name, kind in ARMS if kind != "cached"]


def is_known(results: Sequence[Result], cores: int) -> bool:
    """Say whether all three arms are known so well that more rounds would tell little."""
    return all(is_tight(rate, TIGHT) for rate in _rates(results, cores))


def conclude(results: Sequence[Result], cores: Sequence[int]) -> tuple[Ceiling, ...]:
    """Return the ceilings of those core counts for which all three arms were measured."""
    found = (_ceiling(results, count) for count in cores)
    return tuple(ceiling for ceiling in found if ceiling is not None)


def _rates(results: Sequence[Result], cores: int) -> list[Interval | None]:
    return [rate_interval([r for r in results if r.arm == f"{name} @{cores}"]) for name, _ in ARMS]


def _ceiling(results: Sequence[Result], cores: int) -> Ceiling | None:
    whole, device, loader = _rates(results, cores)
    if whole is None or device is None or loader is None:
        return None
    return Ceiling(cores, whole, device, loader, limit_of(device, loader))


def limit_of(device: Interval, loader: Interval) -> Limit:
    """Return which half is the limit; `balanced` when they are within 5 %, or their intervals overlap."""
    low, high = sorted((device, loader), key=lambda rate: rate.median)
    if high.median - low.median <= EVEN * high.median or high.low <= low.high:
        return "balanced"
    return "loader" if low is loader else "device"


def balance_cores(ceilings: Sequence[Ceiling]) -> float | None:
    """Return the cores at which the loader would keep up with the device; None when that is unknown.

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
