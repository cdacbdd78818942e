"""Asks the training for a window of torch.profiler, where its GPU idles for a while and its input does not explain it.

The hook looks for the file once a second, takes it away, and opens a window if that is not too early (`hook/gpu_trace/plan`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path

from gpuwatch.sources.trainers import Trainer, Trainers

ASKED = "gpu_trace.asked"
# Idle: in each of so many readings the busiest GPU was busy for less than this (percent).
READINGS, BUSY_PERCENT = 10, 60.0
# The input explains it where the steps wait for more than this share of their time.
WAIT_SHARE = 0.1
AGAIN_NS = 60_000_000_000


class IdleGpu:
    """Looks at the GPUs' readings as they come."""

    def __init__(self, run: Path) -> None:
        self._file = run / ASKED
        self._trainers = Trainers(run)
        self._recent: deque[float] = deque(maxlen=READINGS)
        self._again_ns = 0

    def look(self, now_ns: int, busy: Sequence[float | None], hooked: Iterable[int]) -> None:
        """Take one reading of all GPUs (percent busy) and ask for a window if one would say more."""
        known = [value for value in busy if value is not None]
        if not known:
            return
        # The busiest one: those that the training does not use are idle all the time.
        self._recent.append(max(known))
        if now_ns < self._again_ns or len(self._recent) < READINGS or max(self._recent) >= BUSY_PERCENT:
            return
        self._again_ns = now_ns + AGAIN_NS
        if not _is_explained(self._trainers.refresh(hooked)):
            try:
                self._file.touch(mode=0o600)
            except OSError:
                return


def _is_explained(trainers: Sequence[Trainer]) -> bool:
    """Say whether no process trains, or one of them waits for its input."""
    waits = [trainer.wait_share for trainer in trainers if trainer.wait_share is not None]
    return not waits or max(waits) > WAIT_SHARE
