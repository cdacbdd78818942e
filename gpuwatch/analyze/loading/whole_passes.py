"""How long each pass over a loader was that came to its end, in samples where they are known of all batches."""

from __future__ import annotations

from typing import Literal

import numpy as np

from gpuwatch.analyze.loading.fetches import Maker
from gpuwatch.analyze.numbers.statistics import Array
from gpuwatch.analyze.wall_time.loaders import Loader

# Of a day's short epochs so many are kept.
_MOST = 1000


def whole_passes(loader: Loader, makers: list[Maker]) -> tuple[tuple[int, ...], Literal["samples", "batches"]]:
    """Return the length of each pass that ended with its data, and its unit."""
    positions = [position for position in loader.positions if _came_to_its_end(loader, position)][:_MOST]
    batches = [len(loader.walk.of(position)) for position in positions]
    samples = _samples(loader, makers)
    if any(samples.get(position, (0, 0))[0] != count for position, count in zip(positions, batches, strict=True)):
        return tuple(batches), "batches"
    return tuple(
        samples[position][1] if count else 0 for position, count in zip(positions, batches, strict=True)
    ), "samples"


def _came_to_its_end(loader: Loader, position: int) -> bool:
    events = loader.walk.events_of(position)
    return bool((loader.walk.fields["end"][events] == 1).any())


def _samples(loader: Loader, makers: list[Maker]) -> dict[int, tuple[int, int]]:
    """Return of each iterator the fetches that were recorded, and the samples in them; none where some are unknown."""
    made = np.concatenate([np.zeros(0), *(maker.fetches["t1"] for maker in makers)])
    count = np.concatenate([np.zeros(0), *(_counts(maker, loader) for maker in makers)])
    if not len(made) or not np.isfinite(count).all():
        return {}
    starts = np.array([iterator.start_ns for iterator in loader.iterators])
    order = np.argsort(starts)
    at = np.searchsorted(starts[order], made, side="right") - 1
    found = dict.fromkeys(loader.positions, (0, 0))
    for rank in np.unique(at[at >= 0]):
        chosen = at == rank
        found[loader.positions[order[rank]]] = int(chosen.sum()), int(count[chosen].sum())
    return found


def _counts(maker: Maker, loader: Loader) -> Array:
    """Return the samples of each fetch; of those that were only timed, the batch size."""
    size = loader.first.attributes.get("batch_size")
    counts = maker.fetches["samples"]
    return np.where(np.isnan(counts), float(size), counts) if isinstance(size, int) else counts
