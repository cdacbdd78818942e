"""One window of an experiment: some steps of the user's loop, fed by one variant, timed after a warm-up.

Variants, by `kind`:
  real    a clone of the user's loader, with the settings in `loader` and the changes named by `remedies`
  cached  the same few batches again and again: what the device could do
  compare no time: do `remedies` change the samples? (`outputs.py`)
  losses  no time: do `remedies` of the step change the losses? (`step_outputs.py`)
  loader  a clone's batches taken and dropped without the loop: what the input pipeline could do
  close   no time: end the variant's workers

An order: {"arm" (the variant's name), "kind", "round", "seconds", "steps" (least), "loader": {...}, "remedies"
([name, parameters], ...), "cores", "epochs" (the variant starts an epoch in its time), "memory" (measure that of its workers)}.
Its result is a `window` event.
"""

from __future__ import annotations

import sys
import time

from ..event_log import spool
from ..process import TYPE_CHECKING
from . import batches

if TYPE_CHECKING:
    from typing import Any

    from .orders import Order

CACHED_BATCHES = 8
_LEAST_STEPS = 4
_LONGEST = 4.0
now_ns = time.monotonic_ns


class Window:
    """The clock of one window. Its time runs from the first request after the warm-up, and is stopped while the variant's
    iterator is started again and warms up. With `epoch` (batches) it runs from here, epochs' starts in it, and ends
    after whole epochs, or inside the first when that is long enough to have a steady state."""

    def __init__(self, order: Order, warmup: int, epoch: int | None = None) -> None:
        self.order = order
        self.variant: str = order["arm"]
        self.kind: str = order["kind"]
        self.warmup = warmup
        self.epoch = epoch
        self.left = 0 if epoch else warmup
        self.least: int = min(epoch, 2 * warmup + 8) if epoch else order.get("steps", _LEAST_STEPS)
        self.steps = self.samples = self.ns = 0
        self.asked_ns = now_ns()
        self.since_ns = self.first_ns = self.asked_ns if epoch else None

    def is_over(self) -> bool:
        """Say, when the next batch is requested, whether this request is the window's end."""
        self.asked_ns = now_ns()
        if self.left > 0:
            self.left -= 1
            return False
        if self.since_ns is None:
            self._start()
            return False
        self.steps += 1
        if not self._is_long_enough((self.ns + self.asked_ns - self.since_ns) / 1e9):
            return False
        _synchronise()
        self.ns += now_ns() - self.since_ns
        return True

    def _is_long_enough(self, seconds: float) -> bool:
        wanted: float = self.order["seconds"]
        if self.epoch:
            inside = self.steps % self.epoch != 0 and self.steps > self.epoch
            return seconds >= wanted and self.steps >= self.least and not inside
        return seconds >= wanted and (self.steps >= self.least or seconds >= _LONGEST * wanted)

    def _start(self) -> None:
        _synchronise()
        self.since_ns = now_ns()
        self.first_ns = self.first_ns or self.since_ns

    def restarted(self, epoch_batches: int) -> None:
        """Leave out the start of a new epoch, when epochs are long enough to have a steady state."""
        if epoch_batches >= 2 * self.warmup + 4:
            self.pause()

    def pause(self) -> None:
        """Stop the clock at the last request until the variant has warmed up again."""
        if self.since_ns is None:
            return
        self.ns += self.asked_ns - self.since_ns
        self.since_ns = None
        self.left = self.warmup

    def was_left(self, batches_before: int) -> None:
        """Stop the clock at the last request: the loop was left since. Where it always is after a few batches, there is no
        room for another warm-up."""
        if self.since_ns is None:
            return
        self.pause()
        if self.epoch or batches_before < 2 * self.warmup + 4:
            self.left = 0

    def given(self, batch: Any) -> None:
        """Count a batch handed over."""
        if self.since_ns is not None:
            self.samples += batches.size_of(batch)

    def write(self, startup_ns: int | None, memory: int | None) -> None:
        """Write the result: the measured time as t0 to t1, from when it began."""
        first_ns = self.first_ns or 0
        write_result(self.order, first_ns, first_ns + self.ns, self.steps, self.samples, startup_ns, None, memory)


def write_result(
    order: Order,
    start_ns: int = 0,
    end_ns: int = 0,
    steps: int = 0,
    samples: int = 0,
    startup_ns: int | None = 0,
    note: str | None = None,
    memory: int | None = None,
) -> None:
    """Write the result of an order; `note` says why there is none."""
    spool.event(
        "window", order["arm"], order.get("round", 0), order["kind"], start_ns, end_ns, steps, samples, startup_ns, note,
        memory,
    )  # fmt: skip


def cuda() -> Any:
    """Return torch.cuda where this process uses it; None elsewhere."""
    module = getattr(sys.modules.get("torch"), "cuda", None)
    try:
        return module if module is not None and module.is_initialized() else None
    except Exception:
        return None


def _synchronise() -> None:
    device = cuda()
    if device is not None:
        device.synchronize()
