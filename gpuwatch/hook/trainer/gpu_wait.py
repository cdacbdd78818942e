"""GPU wait: two timing events per step on the current stream, read when the GPU has passed them, never waited for.

A is recorded when the batch is delivered, B when the next one is requested. B to the next A is the time for which the
stream had nothing left; A to B is the step's work. Only the training thread touches them.
"""

from __future__ import annotations

import collections

from ..event_log import spool
from . import accelerator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .accelerator import Accelerator

# At most this many steps may be in flight; beyond it steps go unmeasured until the GPU catches up.
_MAX_PENDING = 64
_MAX_FAILURES = 3
_READ_PER_STEP = 4
_GPU_WAIT = '["gpu_wait",%s,%s,%s,%s]\n'


def meter() -> Meter | None:
    """Return a new meter once this process has initialised an accelerator; None before, and without one."""
    found = accelerator.in_use()
    return Meter(found) if found is not None else None


class StepEvents:
    """One step's events: `before` the previous B or None, `start` A, `end` B once the next batch is requested."""

    __slots__ = ("before", "end", "index", "iterator", "start")

    def __init__(self, iterator: int, index: int, before: Any, start: Any) -> None:
        self.iterator, self.index, self.before, self.start = iterator, index, before, start
        self.end: Any = None


class Meter:
    """The events of one training thread."""

    def __init__(self, found: Accelerator) -> None:
        self.kind, self.make_event, self.is_capturing = found.kind, found.make_event, found.is_capturing
        self.free: list[Any] = []
        self.pending: collections.deque[StepEvents] = collections.deque()
        self.open: StepEvents | None = None
        self.last_end: Any = None
        self.failures = 0

    def requested(self) -> None:
        """Record B of the step that ends here."""
        step, self.open = self.open, None
        if step is None:
            return
        event = self._record()
        if event is None:
            self.last_end = None
            self._recycle(step)
            return
        step.end = self.last_end = event
        self.pending.append(step)

    def delivered(self, iterator: int, index: int) -> None:
        """Record A of the step that begins here, and write the steps that the GPU has passed."""
        before, self.last_end = self.last_end, None
        start = self._record()
        if start is not None:
            self.open = StepEvents(iterator, index, before, start)
        elif before is not None and not self.pending:
            self.free.append(before)
        self.resolve(_READ_PER_STEP)

    def skip(self) -> None:
        """Leave out the step that is open: the requests since it began were not seen here."""
        step, self.open = self.open, None
        self.last_end = None
        if step is not None:
            self._recycle(step)

    def resolve(self, limit: int = _MAX_PENDING) -> None:
        """Write up to `limit` steps that are complete on the GPU, without waiting for any."""
        try:
            while limit and self.pending and self.pending[0].end.query():
                limit -= 1
                self._write(self.pending.popleft())
        except Exception as error:
            self._fail(error)

    def _write(self, step: StepEvents) -> None:
        wait_ms = step.before.elapsed_time(step.start) if step.before is not None else None
        work_ms = step.start.elapsed_time(step.end)
        self._recycle(step)
        spool.later(_GPU_WAIT, (step.iterator, step.index, wait_ms and round(wait_ms, 4), round(work_ms, 4)), 0)

    def _recycle(self, step: StepEvents) -> None:
        # The step's B is the next step's `before`, and is given back with that one.
        self.free.extend(event for event in (step.before, step.start) if event is not None)

    def _record(self) -> Any:
        """Return an event recorded here; None where none may be."""
        try:
            if self.failures >= _MAX_FAILURES or len(self.pending) >= _MAX_PENDING or self.is_capturing():
                return None
            event = self.free.pop() if self.free else self.make_event()
            event.record()
            return event
        except Exception as error:
            self._fail(error)
            return None

    def _fail(self, error: Exception) -> None:
        self.free.clear()
        self.pending.clear()
        self.open = self.last_end = None
        self.failures += 1
        if self.failures == _MAX_FAILURES:
            spool.meta("missing_seam", f"events of {self.kind}: {type(error).__name__}: {error}")
