"""A wrapper round a loader, which the loop asks instead, and its own work on each batch."""

from __future__ import annotations

import numpy as np

from gpuwatch.analyze.numbers.statistics import ratio_interval
from gpuwatch.analyze.processes.sorting import Iterator
from gpuwatch.analyze.wall_time.loaders import Loader
from gpuwatch.analyze.wall_time.steps import Steps
from gpuwatch.model.loader_profile import WrapperProfile
from gpuwatch.model.measures import Place


def wrapper_profile(loader: Loader, steps: Steps) -> WrapperProfile | None:
    """Return what the loop asked instead of the loader in its steady steps; None where it asked the loader itself."""
    found = [loader.walk.wrappers[position] for position in loader.positions if position in loader.walk.wrappers]
    if not found or not steps.count:
        return None
    own = np.nan_to_num(loader.walk.fields["around_ns"][steps.event[steps.steady]])
    share = ratio_interval(own, (steps.wait + steps.compute)[steps.steady], steps.group)
    if share is None:
        return None
    asked = loader.trainer.iterators[found[0]]
    where = giver_of(asked)
    return WrapperProfile(
        library=str(asked.attributes["pipeline"]),
        name=_name(asked, where),
        ms=float(own.mean()) / 1e6,
        share=share,
        where=where,
    )


def giver_of(iterator: Iterator) -> Place | None:
    """Return the function through which a feed's batches come; None of a loader of torch's."""
    recorded = iterator.attributes.get("gives")
    if not isinstance(recorded, list) or len(recorded) != 3:
        return None
    return Place(str(recorded[0]), int(recorded[1] or 0), str(recorded[2]))


def _name(iterator: Iterator, where: Place | None) -> str:
    owner = str(iterator.attributes.get("loader_class") or "").rpartition(".")[2]
    function = where.function if where else None
    return ".".join(part for part in (owner if owner != "generator" else "", function or "") if part)
