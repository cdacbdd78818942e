"""How long a training thread could run but had no core."""

from __future__ import annotations

import numpy as np

from gpuwatch.analyze.wall_time.phases import Walk


def delay_share(this: Walk) -> float | None:
    """Return the share of the loop in which the training thread could run but had no core. Readings are sparse: each
    covers the time since the one before, so their sum covers the time from the first event to the last reading."""
    recorded = np.flatnonzero(np.isfinite(this.fields["delay_ns"]))
    if not len(recorded):
        return None
    length = float(this.fields["t1"][recorded[-1]] - this.fields["t1"][0])
    return min(float(this.fields["delay_ns"][recorded].sum()) / length, 1.0) if length > 0 else None
