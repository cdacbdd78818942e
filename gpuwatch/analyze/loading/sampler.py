"""What a loader's sampler costs: it draws the indices in the training process, and no worker helps with that."""

from __future__ import annotations

import numpy as np

from gpuwatch.analyze.wall_time.loaders import Loader, seconds_of
from gpuwatch.model.loader_profile import SamplerProfile
from gpuwatch.model.measures import Place


def sampler_profile(loader: Loader) -> SamplerProfile | None:
    """Describe a loader's sampler; None where the hook did not measure it."""
    walk = loader.walk
    mine = np.isin(walk.iterator, loader.positions)
    spent = walk.fields["index_ns"]
    if loader.own_loop or not np.isfinite(spent[mine]).any():
        return None
    later = mine & ~walk.first
    seconds = float(np.nansum(spent[later])) / 1e9
    batches = int((later & (walk.fields["end"] == 0)).sum())
    starts = tuple(_start_s(loader, position) for position in loader.positions if len(walk.of(position)))
    making = sum(max(iterator.made_ns - iterator.start_ns, 0.0) / 1e9 for iterator in loader.iterators[1:])
    whole = seconds_of(loader) + making
    recorded = loader.first.attributes
    file, name = recorded.get("sampler_file"), recorded.get("sampler_name")
    return SamplerProfile(
        seconds=seconds,
        ms_per_batch=1e3 * seconds / batches if batches else 0.0,
        start_seconds=starts,
        share=min((seconds + sum(starts[1:])) / whole, 1.0) if whole > 0 else 0.0,
        name=str(name) if name else None,
        where=Place(str(file), int(recorded.get("sampler_line") or 0), f"{name}.__iter__") if file else None,
    )


def _start_s(loader: Loader, position: int) -> float:
    """Return the seconds in the sampler before a pass's first batch: while its iterator was made, and in its request."""
    iterator = loader.trainer.iterators[position]
    first = loader.walk.of(position)[0]
    asked = float(np.nan_to_num(loader.walk.fields["index_ns"][first]))
    return (iterator.index_ns + asked) / 1e9
