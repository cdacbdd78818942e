"""The frames of ours between the training and torch's `__next__`, and between torch and the loader's sampler.

Python leaves frames whose file is named like the import machinery's ("importlib" and "_bootstrap" in its path) out when
it looks for the place of a warning (warnings.warn, `stacklevel`). Hence this file's name: what torch warns of in
`__next__` goes on naming the user's own line.
"""

from __future__ import annotations

import functools
import time

from .step_sampling import sampling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

now_ns = time.monotonic_ns


def wrap_next(
    original: Callable[[Any], Any],
    requested: Callable[..., Any],
    delivered: Callable[..., None],
    timed: Callable[..., None],
) -> Callable[[Any], Any]:
    """Wrap `__next__` of an iterator. A step sampled in full calls `requested` before it and `delivered` after it; one
    with timestamps only adds them to the record's list, and calls `timed` when the list is to be looked at."""

    @functools.wraps(original)
    def __next__(self: Any) -> Any:
        record = self._gpuwatch_record  # attributes.RECORD
        if record is None:
            return original(self)
        timestamps = record.timestamps
        if timestamps is not None:
            requested_ns = now_ns()
            try:
                batch = original(self)
            except BaseException as ending:
                timed(self, record, requested_ns, now_ns(), ending)
                raise
            delivered_ns = now_ns()
            # A loader inside this one's dataset may have had the list closed meanwhile.
            if delivered_ns < sampling.check_at_ns and record.timestamps is timestamps:
                timestamps += (requested_ns, delivered_ns)
            else:
                timed(self, record, requested_ns, delivered_ns, None)
            return batch
        if record.under_construction:
            return original(self)
        request = requested(self, record)
        try:
            batch = original(self)
        except BaseException as ending:
            delivered(self, record, request, now_ns(), ending)
            raise
        delivered(self, record, request, now_ns(), None)
        return batch

    return __next__


def wrap_next_index(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Wrap `_next_index` of an iterator: add the time that its sampler takes to the record."""

    @functools.wraps(original)
    def _next_index(self: Any) -> Any:
        record = self._gpuwatch_record  # attributes.RECORD
        if record is None:
            return original(self)
        began_ns = now_ns()
        try:
            return original(self)
        finally:
            record.index_ns += now_ns() - began_ns

    return _next_index
