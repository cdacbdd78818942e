"""What remedies are predicted to win together: each one's own prediction, turned back into what it saves, then all at once.

A remedy that makes a batch cheaper is the factor of the work that explains its prediction; one that keeps workers is the
start-up that does. The throughput model then gets the sum of the savings. So the gains of two never multiply past what
bounds the loop once the batches are cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gpuwatch.analyze import throughput
from gpuwatch.experiments.remedy import Remedy
from gpuwatch.model.profile import Costs

# What is left of a batch's work at least.
LEAST_WORK = 0.02
_HALVINGS = 30


def of_union(remedies: Sequence[Remedy], costs: Costs | None) -> float | None:
    """Return the predicted gain of all remedies together; None where the model has no term for one of them."""
    if costs is None or any(remedy.predicted is None for remedy in remedies):
        return None
    kept, after = 1.0, costs
    for remedy in remedies:
        workers = remedy.loader.get("num_workers")
        if workers:
            after = throughput.with_workers(after, workers)
        elif remedy.epochs:
            after = throughput.with_startups(after, after.iterators, _startup(costs, remedy.predicted or 1.0))
        elif remedy.hook:
            kept -= 1.0 - _work(costs, remedy.predicted or 1.0)
        else:
            return None
    return throughput.predict(costs, throughput.with_work(after, max(kept, LEAST_WORK)), "").predicted


def _work(costs: Costs, gain: float) -> float:
    """Return the largest factor of a batch's work with which the model predicts this gain."""
    return _largest(lambda factor: throughput.with_work(costs, factor), costs, gain)


def _startup(costs: Costs, gain: float) -> float:
    """Return the start-up of an iterator (s) with which the model predicts this gain."""
    factor = _largest(
        lambda part: throughput.with_startups(costs, costs.iterators, part * costs.startup_s), costs, gain
    )
    return factor * costs.startup_s


def _largest(change: Callable[[float], Costs], costs: Costs, gain: float) -> float:
    low, high = LEAST_WORK, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        enough = throughput.predict(costs, change(middle), "").predicted >= gain
        low, high = (middle, high) if enough else (low, middle)
    return low
