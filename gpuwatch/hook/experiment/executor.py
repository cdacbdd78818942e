"""Feeds the loop of an experiment window after window.

Before a window the variant that was fed last is let come to rest, and the batches that the new one had ready are
discarded, so that no variant pays for another or profits from it.
"""

from __future__ import annotations

from ..process import TYPE_CHECKING
from . import batches, loader_clones, outputs, step_outputs, step_remedies, windows
from .active import Unsuitable
from .loader_clones import REST_S
from .orders import write_fact
from .variants import Variants

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .orders import Order

_CACHED_WARMUP = 2
_LONGEST_NOTE = 300


class Executor:
    """Gives the loop its batches. `orders` yields windows and ends the process when there are no more; `left`: the
    variant that was fed last, until it has come to rest."""

    def __init__(self, module: Any, loader: Any, cache: list[Any], orders: Iterator[Order]) -> None:
        self.variants = Variants(module, loader)
        self.cache = cache
        self.orders = orders
        self.window: windows.Window | step_outputs.Losses | None = None
        self.left: str | None = None
        self.turn = 0
        self.switches = step_remedies.Switches()

    def next_batch(self) -> Any:
        """Return a batch for the loop; on the way finish and begin windows, and run those that need no loop."""
        if self.window is not None and self.window.is_over():
            self._finish(self.window)
        while True:
            window = self.window
            if window is None:
                self._begin(next(self.orders))
                continue
            try:
                return self._batch(window)
            except Exception as error:
                self._give_up(window, error)

    def epoch_ends(self) -> None:
        """Stop the clock: what the script does between its epochs is no step."""
        if self.window is None or isinstance(self.window, step_outputs.Losses):
            return
        if self.window.is_over():
            self._finish(self.window)
        else:
            self.window.pause()

    def was_left(self, batches_before: int) -> None:
        """Take out of the window's time what the script did between the last request and this one; before that the loop
        took so many batches in one go."""
        if self.window is not None and not isinstance(self.window, step_outputs.Losses):
            self.window.was_left(batches_before)

    def _give_up(self, window: windows.Window | step_outputs.Losses, error: Exception) -> None:
        """End a window whose loader raised, and that variant; the others go on."""
        self.window = None
        if isinstance(window, step_outputs.Losses):
            window.end()
        self.variants.close(window.variant)
        windows.write_result(window.order, note=_last_line(error))

    def _batch(self, window: windows.Window | step_outputs.Losses) -> Any:
        if isinstance(window, step_outputs.Losses):
            return window.batch()
        if window.kind == "cached":
            self.turn += 1
            batch = batches.fresh(self.cache[self.turn % len(self.cache)])
        else:
            batch = self._variants_batch(window)
            if len(self.cache) < windows.CACHED_BATCHES and not window.order.get("remedies"):
                self.cache.append(batches.fresh(batch))  # the loop may take its own apart
        window.given(batch)
        return batch

    def _variants_batch(self, window: windows.Window) -> Any:
        """Return the variant's next batch; a restart inside the window stops its clock for another warm-up."""
        starts = self.variants.starts
        batch = self.variants.batch(window.variant)
        if self.variants.starts != starts and not window.epoch:
            window.restarted(self.variants.epoch_batches(window.variant))
        return batch

    def _begin(self, order: Order) -> None:
        self.switches.rest()
        if order["kind"] == "compare":
            self._compare(order)
        elif order["kind"] == "close":
            self._close(order)
        elif order["kind"] in ("cached", "losses") and not self.cache:
            self._rest()
            windows.write_result(order, note="no batch was seen yet")
        elif order["kind"] == "losses":
            self._compare_losses(order)
        else:
            self._open(order)

    def _open(self, order: Order) -> None:
        self._rest()
        try:
            self.switches.use(order.get("remedies"))
            warmup = self.variants.open(order) if order["kind"] != "cached" else _CACHED_WARMUP
        except Exception as error:
            windows.write_result(order, note=_last_line(error))
            return
        epoch = self._epoch(order)
        self.window = windows.Window(order, warmup, epoch)
        if epoch:
            self.variants.restart(order["arm"])
        if order["kind"] == "loader":
            self._drain(self.window)

    def _rest(self) -> None:
        if self.left is not None:
            self.variants.rest(self.left, REST_S)
            self.left = None

    def _epoch(self, order: Order) -> int | None:
        """Return the batches of an epoch for a window that has its start in its time; None for the others."""
        if not order.get("epochs"):
            return None
        self.variants.rest(order["arm"], REST_S)
        return self.variants.epoch_batches(order["arm"])

    def _compare(self, order: Order) -> None:
        """Say what a remedy changes in the samples; this window has no time."""
        try:
            plain = loader_clones.make(self.variants.loader, {})
            found = outputs.compare(plain, loader_clones.make(self.variants.loader, order))
        except Exception as error:
            found = {"note": "not compared: " + _last_line(error)}
        write_fact("outputs", dict(found, arm=order["arm"]))
        windows.write_result(order, note="compared")

    def _compare_losses(self, order: Order) -> None:
        """Have the loop say what a change of the step changes in its losses; this window has no time."""
        self._rest()
        try:
            self.window = step_outputs.Losses(order, self.cache, self.switches)
        except Exception as error:
            windows.write_result(order, note=_last_line(error))

    def _close(self, order: Order) -> None:
        self.variants.close(order["arm"])
        self.left = None if self.left == order["arm"] else self.left
        windows.write_result(order, note="closed")

    def _drain(self, window: windows.Window) -> None:
        """Run a loader-only window here and now."""
        try:
            while not window.is_over():
                window.given(self._variants_batch(window))
        except Exception as error:
            self._give_up(window, error)
        else:
            self._finish(window)

    def _finish(self, window: windows.Window | step_outputs.Losses) -> None:
        self.window = None
        if isinstance(window, step_outputs.Losses):
            write_fact("losses", dict(window.end(), arm=window.variant))
            windows.write_result(window.order, note="compared")
            return
        memory = self.variants.memory_bytes(window.variant) if window.order.get("memory") else None
        window.write(self.variants.startup_ns(window.variant), memory)
        if window.kind != "cached":
            self.left = window.variant


def _last_line(error: Exception) -> str:
    """Return an exception in one line: of a worker's traceback, which torch puts into the message, the last."""
    lines = str(error).strip().splitlines() or [""]
    if isinstance(error, Unsuitable):
        return lines[-1]
    return f"{type(error).__name__}: {lines[-1][:_LONGEST_NOTE]}"
