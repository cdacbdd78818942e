"""One window of an experiment: some steps of the user's loop, fed by one arm, timed after a warm-up.

Arms, by `kind`:
  real    a twin of the user's loader, with the settings in `loader` and the change named by `remedy`
  cached  the same few batches again and again: what the device could do
  compare no time: does `remedy` change the samples? (`outputs.py`)
  loader  a twin's batches taken and dropped without the loop: what the input pipeline could do

  close   no time: end the arm's workers

A window: {"arm", "kind", "round", "seconds", "steps" (least), "loader": {...}, "remedy", "parameters", "cores",
"epochs" (the arm starts an epoch in its time), "memory" (measure that of its workers)}.
Its result is a `window` event. Before a window the arm that was left is let come to rest, and the batches that the new
one had ready are discarded, so that no arm pays or profits from another.
"""

import os
import sys
import time

from ..event_log import spool
from ..source_code import construction_sites
from . import loader_clones, outputs, remedies

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
    facts["ranks"] = int(os.environ.get("WORLD_SIZE", "1"))
    facts["cuda"] = _cuda() is not None
    facts["made"] = construction_sites.place_of(loader)
    return facts


class Executor:
    """Feeds the loop window after window. `orders` yields windows and ends the process when there are no more."""

    def __init__(self, module, loader, cache, orders):
        self.arms = loader_clones.Arms(module, loader)
        self.cache = cache
        self.orders = orders
        self.window = None
        self.left = None
        self.turn = 0

    def give(self):
        """Return a batch for the loop; on the way finish and begin windows, and run those that need no loop."""
        if self.window is not None and self.window.is_over():
            self._finish()
        while True:
            while self.window is None:
                self._begin(next(self.orders))
            try:
                return self._batch()
            except Exception as trouble:
                self._give_up(trouble)

    def epoch_ends(self):
        """Stop the clock: what the script does between its epochs is no step."""
        if self.window is None:
            return
        if self.window.is_over():
            self._finish()
        else:
            self.window.pause()

    def _give_up(self, trouble):
        """End a window whose loader raised, and that arm; the others go on."""
        window, self.window = self.window, None
        self.arms.close(window.arm)
        _say(window.order, note=_last_line(trouble))

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
        if self.arms.starts != starts and not window.epoch:
            window.restarted(self.arms.epoch_batches(window.arm))
        return batch

    def _begin(self, order):
        if order["kind"] == "compare":
            return self._compare(order)
        if order["kind"] == "close":
            return self._close(order)
        if self.left is not None:
            self.arms.rest(self.left, REST_S)
            self.left = None
        try:
            warmup = self.arms.open(order) if order["kind"] != "cached" else 2
        except Exception as trouble:
            return _say(order, note=_last_line(trouble))
        if order["kind"] == "cached" and not self.cache:
            return _say(order, note="no batch was seen yet")
        epoch = self._epoch(order)
        self.window = Window(order, warmup, epoch)
        if epoch:
            self.arms.restart(order["arm"])
        if order["kind"] == "loader":
            self._drain()

    def _epoch(self, order):
        """Return the batches of an epoch for a window that has its start in its time; None for the others."""
        if not order.get("epochs"):
            return None
        self.arms.rest(order["arm"], REST_S)
        return self.arms.epoch_batches(order["arm"])

    def _compare(self, order):
        """Say what a remedy changes in the samples; this window has no time."""
        try:
            plain = loader_clones.make(self.arms.loader, {})
            found = outputs.compare(plain, loader_clones.make(self.arms.loader, order))
        except Exception as trouble:
            found = {"note": "not compared: " + _last_line(trouble)}
        spool.event("experiment", now_ns(), "outputs", dict(found, arm=order["arm"]))
        _say(order, note="compared")

    def _close(self, order):
        self.arms.close(order["arm"])
        self.left = None if self.left == order["arm"] else self.left
        _say(order, note="closed")

    def _drain(self):
        """Run a loader-only window here and now."""
        try:
            while not self.window.is_over():
                self.window.given(self._arm_batch(self.window))
        except Exception as trouble:
            return self._give_up(trouble)
        self._finish()

    def _finish(self):
        window, self.window = self.window, None
        memory = self.arms.memory_bytes(window.arm) if window.order.get("memory") else None
        window.write(self.arms.startup_ns(window.arm), memory)
        if window.kind != "cached":
            self.left = window.arm


class Window:
    """The clock of one window. Its time runs from the first ask after the warm-up, and stands still while the arm's
    iterator is started again and warms up. With `epoch` (batches) it runs from here, epochs' starts in it, and ends
    after whole epochs, or inside the first when that is long enough to have a steady state."""

    def __init__(self, order, warmup, epoch=None):
        self.order = order
        self.arm = order["arm"]
        self.kind = order["kind"]
        self.warmup = warmup
        self.epoch = epoch
        self.left = 0 if epoch else warmup
        self.least = min(epoch, 2 * warmup + 8) if epoch else order.get("steps", 4)
        self.steps = self.samples = self.ns = 0
        self.asked_ns = now_ns()
        self.since_ns = self.first_ns = self.asked_ns if epoch else None

    def is_over(self):
        """Say, when the next batch is asked for, whether this ask is the window's end."""
        self.asked_ns = now_ns()
        if self.left > 0:
            self.left -= 1
            return False
        if self.since_ns is None:
            return self._start()
        self.steps += 1
        if not self._is_long_enough((self.ns + self.asked_ns - self.since_ns) / 1e9):
            return False
        _synchronise()
        self.ns += now_ns() - self.since_ns
        return True

    def _is_long_enough(self, seconds):
        wanted = self.order["seconds"]
        if self.epoch:
            inside = self.steps % self.epoch != 0 and self.steps > self.epoch
            return seconds >= wanted and self.steps >= self.least and not inside
        return seconds >= wanted and (self.steps >= self.least or seconds >= _LONGEST * wanted)

    def _start(self):
        _synchronise()
        self.since_ns = now_ns()
        self.first_ns = self.first_ns or self.since_ns
        return False

    def restarted(self, epoch_batches):
        """Leave out the start of a new epoch, when epochs are long enough to have a steady state."""
        if epoch_batches >= 2 * self.warmup + 4:
            self.pause()

    def pause(self):
        """Stop the clock at the last ask until the arm has warmed up again."""
        if self.since_ns is None:
            return
        self.ns += self.asked_ns - self.since_ns
        self.since_ns = None
        self.left = self.warmup

    def given(self, batch):
        """Count a batch handed over."""
        if self.since_ns is not None:
            self.samples += size_of(batch)

    def write(self, startup_ns, memory):
        """Write the result: the measured time as t0 to t1, from when it began."""
        _say(self.order, self.first_ns, self.first_ns + self.ns, self.steps, self.samples, startup_ns, None, memory)


def _say(order, start_ns=0, end_ns=0, steps=0, samples=0, startup_ns=0, note=None, memory=None):
    spool.event(
        "window", order["arm"], order.get("round", 0), order["kind"], start_ns, end_ns, steps, samples, startup_ns, note,
        memory,
    )  # fmt: skip


def _last_line(trouble):
    """Return an exception in one line: of a worker's traceback, which torch puts into the message, the last."""
    lines = str(trouble).strip().splitlines() or [""]
    if isinstance(trouble, remedies.Unsuitable):
        return lines[-1]
    return "%s: %s" % (type(trouble).__name__, lines[-1][:300])


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
