"""One window of an experiment: some steps of the user's loop, fed by one arm, timed after a warm-up.

Arms, by `kind`:
  real    a twin of the user's loader, with the settings in `loader` and the change named by `remedy`
  cached  the same few batches again and again: what the device could do
  compare no time: does `remedy` change the samples? (`outputs.py`)
  loader  a twin's batches taken and dropped without the loop: what the input pipeline could do

A window: {"arm", "kind", "round", "seconds", "steps" (least), "loader": {...}, "remedy", "parameters", "cores", "close", "epochs"}.
Its result is a `window` event. Before a window the arm that was left is let come to rest, and the batches that the new
one had ready are discarded, so that no arm pays or profits from another.
"""

import os
import sys
import time

from . import outputs, spool, twins

CACHED_BATCHES = 8
REST_S = 5.0
_LONGEST = 4.0
now_ns = time.monotonic_ns


def describe(loader):
    """Return what an experiment needs to know of the user's loader."""
    names = ("num_workers", "batch_size", "prefetch_factor", "persistent_workers", "pin_memory", "in_order")
    facts = {name: getattr(loader, name, None) for name in names}
    try:
        facts["length"] = len(loader)
    except Exception:
        facts["length"] = None
    facts["cores"] = len(os.sched_getaffinity(0))
    facts["cuda"] = _cuda() is not None
    return facts


class Executor:
    """Feeds the loop window after window. `orders` yields windows and ends the process when there are no more."""

    def __init__(self, module, loader, cache, orders):
        self.arms = twins.Arms(module, loader)
        self.cache = cache
        self.orders = orders
        self.window = None
        self.left = None
        self.turn = 0

    def give(self):
        """Return a batch for the loop; on the way finish and begin windows, and run those that need no loop."""
        if self.window is not None and self.window.is_over():
            self._finish()
        while self.window is None:
            self._begin(next(self.orders))
        return self._batch()

    def _batch(self):
        window = self.window
        if window.kind == "cached":
            self.turn += 1
            batch = fresh(self.cache[self.turn % len(self.cache)])
        else:
            batch = self._arm_batch(window)
            if len(self.cache) < CACHED_BATCHES and not window.order.get("remedy"):
                self.cache.append(batch)
        window.given(batch)
        return batch

    def _arm_batch(self, window):
        """Return the arm's next batch; a restart inside the window stops its clock for another warm-up."""
        starts = self.arms.starts
        batch = self.arms.batch(window.arm)
        if self.arms.starts != starts and not window.order.get("epochs"):
            window.pause(self.arms.epoch_batches(window.arm))
        return batch

    def _begin(self, order):
        if order["kind"] == "compare":
            return self._compare(order)
        if self.left is not None:
            self.arms.rest(self.left, REST_S)
            self.left = None
        try:
            warmup = self.arms.open(order) if order["kind"] != "cached" else 2
        except Exception as trouble:
            return _say(order, 0, 0, 0, 0, 0, "%s: %s" % (type(trouble).__name__, trouble))
        if order["kind"] == "cached" and not self.cache:
            return _say(order, 0, 0, 0, 0, 0, "no batch was seen yet")
        window = Window(order, warmup)
        if order["kind"] == "loader":
            return self._drain(window)
        self.window = window

    def _compare(self, order):
        """Say what a remedy changes in the samples; this window has no time."""
        try:
            plain = twins.make(self.arms.loader, {})
            found = outputs.compare(plain, twins.make(self.arms.loader, order))
        except Exception as trouble:
            found = {"note": "not compared: %s: %s" % (type(trouble).__name__, trouble)}
        spool.event("experiment", now_ns(), "outputs", dict(found, arm=order["arm"]))
        _say(order, 0, 0, 0, 0, 0, "compared")

    def _drain(self, window):
        """Run a loader-only window here and now."""
        while not window.is_over():
            window.given(self._arm_batch(window))
        self.window = window
        self._finish()

    def _finish(self):
        window, self.window = self.window, None
        window.write(self.arms.startup_ns(window.arm))
        if window.order.get("close"):
            self.arms.close(window.arm)
        elif window.kind != "cached":
            self.left = window.arm


class Window:
    """The clock of one window. Its time runs from the first ask after the warm-up, and stands still while the arm's
    iterator is started again and warms up, unless the order says `epochs`: then an epoch's start is part of it."""

    def __init__(self, order, warmup):
        self.order = order
        self.arm = order["arm"]
        self.kind = order["kind"]
        self.warmup = self.left = warmup
        self.steps = self.samples = self.ns = 0
        self.since_ns = None
        self.first_ns = None
        self.asked_ns = now_ns()
        self.entered_ns = self.asked_ns

    def is_over(self):
        """Say, when the next batch is asked for, whether this ask is the window's end."""
        self.asked_ns = now_ns()
        if self.left > 0:
            self.left -= 1
            return False
        if self.since_ns is None:
            return self._start()
        self.steps += 1
        seconds = (self.ns + self.asked_ns - self.since_ns) / 1e9
        wanted = self.order["seconds"]
        if seconds < wanted or (self.steps < self.order.get("steps", 4) and seconds < _LONGEST * wanted):
            return False
        _synchronise()
        self.ns += now_ns() - self.since_ns
        return True

    def _start(self):
        _synchronise()
        self.since_ns = now_ns()
        self.first_ns = self.first_ns or self.since_ns
        return False

    def pause(self, epoch_batches):
        """Leave out the start of a new epoch, when epochs are long enough to have a steady state."""
        if self.since_ns is None or epoch_batches < 2 * self.warmup + 4:
            return
        self.ns += self.asked_ns - self.since_ns
        self.since_ns = None
        self.left = self.warmup

    def given(self, batch):
        """Count a batch handed over."""
        if self.since_ns is not None:
            self.samples += size_of(batch)

    def write(self, startup_ns):
        """Write the result: the measured time as t0 to t1, from when it began."""
        _say(self.order, self.first_ns, self.first_ns + self.ns, self.steps, self.samples, startup_ns, None)


def _say(order, start_ns, end_ns, steps, samples, startup_ns, note):
    spool.event(
        "window", order["arm"], order.get("round", 0), order["kind"], start_ns, end_ns, steps, samples, startup_ns, note
    )  # fmt: skip


def fresh(batch):
    """Return a batch whose containers are new, so that a loop that pops or replaces fields does no harm."""
    if type(batch) is dict:
        return {key: fresh(value) for key, value in batch.items()}
    if type(batch) in (list, tuple):
        return type(batch)(fresh(value) for value in batch)
    try:
        return batch.copy() if hasattr(batch, "keys") and hasattr(batch, "copy") else batch
    except Exception:
        return batch


def size_of(batch):
    """Return the samples in a batch, by its first tensor or sequence; 0 when it cannot be told."""
    for _ in range(4):
        shape = getattr(batch, "shape", None)
        if shape is not None:
            return int(shape[0]) if len(shape) else 1
        if hasattr(batch, "values") and hasattr(batch, "keys"):
            batch = next(iter(batch.values()), None)
        elif isinstance(batch, (list, tuple)) and batch:
            if isinstance(batch[0], (int, float, str, bytes)):
                return len(batch)
            batch = batch[0]
        else:
            return 0
    return 0


def _cuda():
    torch = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    try:
        return cuda if cuda is not None and cuda.is_initialized() else None
    except Exception:
        return None


def _synchronise():
    cuda = _cuda()
    if cuda is not None:
        cuda.synchronize()
