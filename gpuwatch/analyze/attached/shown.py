"""What a report shows of a loader that was only looked at: no times where it is not known how long a step takes."""

from __future__ import annotations

from dataclasses import replace

from gpuwatch.model.loader_profile import LoaderProfile
from gpuwatch.model.measures import Interval

NOT_KNOWN = float("nan")


def without_times(loader: LoaderProfile) -> LoaderProfile:
    """Return a loader as it is shown: where it is not known how long a step takes, without what depends on that."""
    fetch = loader.fetch
    if not loader.relative or fetch is None:
        return loader
    unknown = Interval(NOT_KNOWN, NOT_KNOWN, NOT_KNOWN, 0)
    fetch = replace(
        fetch,
        wall_ms=unknown,
        mean_wall_ms=NOT_KNOWN,
        cpu_ms=None,
        process_cpu_ms=None,
        delay_ms=None,
        blocked_ms=None,
        collate_ms=NOT_KNOWN,
        serialise_ms=None,
        read_bytes_per_batch=None,
        rchar_per_batch=None,
    )
    return replace(
        loader,
        fetch=fetch,
        queue=None if loader.queue is None else replace(loader.queue, receive_ms=None),
        operations=tuple(replace(one, ms_per_sample=NOT_KNOWN) for one in loader.operations),
    )
