"""Experiment mode: the training loop runs on, but where its batches come from is decided window by window.

Only with GPUWATCH_EXPERIMENT set to a folder, and never in an ordinary run. Results of the training are thrown away,
so its epoch need not end. Each order in the folder (0001.json, 0002.json, ...) is a list of windows; when they are
done the next order is awaited; {"stop": true} ends the process. What a window is: `windows.py`.
"""

import functools
import gc
import json
import os
import sys
import time
import weakref

from ..event_log import spool
from ..trainer import activity, step_sampling
from . import loader_clones, windows

FOLDER = "GPUWATCH_EXPERIMENT"
CONDUCTOR = "GPUWATCH_EXPERIMENT_PID"
_OURS = "_gpuwatch_arm"
# Batches after which a loop without backward or optimizer step is taken for the one that is meant (inference).
_INFERENCE_BATCHES = 12
_TRAINING_BATCHES = 3
_ORDER_WAIT_S = 60.0
_loaders = weakref.WeakKeyDictionary()


def on_import(name, module):
    """Take over the loader's `__next__`, outermost, when this is an experiment and the first rank."""
    folder = os.environ.get(FOLDER)
    base = getattr(module, "_BaseDataLoaderIter", None)
    if not folder or base is None or os.environ.get("RANK", "0") != "0":
        return
    driver = Driver(folder, module)
    base.__init__ = _remembering(base.__init__)
    base.__next__ = _driven(base.__next__, driver)


def _remembering(original):
    @functools.wraps(original)
    def __init__(self, loader, *args, **kwargs):
        _loaders[self] = loader
        return original(self, loader, *args, **kwargs)

    return __init__


def _driven(original, driver):
    @functools.wraps(original)
    def __next__(self):
        if _OURS in self.__dict__ or os.getpid() != driver.process:
            return original(self)
        return driver.give(self, original)

    return __next__


class Driver:
    """Finds the training loop, then feeds it as ordered. `process`: the one that experiments; forked ones do not."""

    def __init__(self, folder, module):
        self.folder = folder
        self.process = os.getpid()
        self.module = module
        self.conductor = os.environ.get(CONDUCTOR)
        self.counts = weakref.WeakKeyDictionary()
        self.cache = []
        self.loader = None
        self.executor = None
        step_sampling.pace.always = True  # the loop is told by what its steps do
        self.respect_epochs = bool(os.environ.get("GPUWATCH_RESPECT_EPOCHS"))

    def give(self, iterator, original):
        """Return the next batch for the user's loop: the iterator's own until the loop is known, then as ordered."""
        loader = _loaders.get(iterator)
        if loader is None:
            return original(iterator)
        if self.executor is None:
            if not self._is_the_loop(loader):
                return self._observe(iterator, loader, original)
            self._adopt(iterator, loader)
        if loader is not self.loader():
            return original(iterator)
        if self.respect_epochs and self._epoch_is_over(iterator):
            self.executor.epoch_ends()
            raise StopIteration
        return self.executor.give()

    def _observe(self, iterator, loader, original):
        batch = original(iterator)
        self.counts[loader] = self.counts.get(loader, 0) + 1
        self.cache = [kept for kept in self.cache if kept[0]() is not None][-3 * windows.CACHED_BATCHES :]
        if self.counts[loader] <= windows.CACHED_BATCHES:
            self.cache.append((weakref.ref(loader), batch))
        return batch

    def _is_the_loop(self, loader):
        seen = self.counts.get(loader, 0)
        if activity.current().trained():
            return seen >= _TRAINING_BATCHES
        return seen >= _INFERENCE_BATCHES and seen % _INFERENCE_BATCHES == 0 and not _will_train()

    def _adopt(self, iterator, loader):
        loader_clones.settle(iterator, windows.REST_S)
        self.loader = weakref.ref(loader)
        cache = [batch for ref, batch in self.cache if ref() is loader]
        self.cache = []
        self.executor = windows.Executor(self.module, loader, cache, self._orders())
        spool.event("experiment", time.monotonic_ns(), "loop", windows.describe(loader))

    def _epoch_is_over(self, iterator):
        self.counts[iterator] = self.counts.get(iterator, 0) + 1
        try:
            return self.counts[iterator] > len(self.loader())
        except TypeError:
            return False

    def _orders(self):
        """Yield the windows of each order as it comes; end the process on a stop, or when nobody orders any more."""
        number = 1
        while True:
            order = self._await(os.path.join(self.folder, "%04d.json" % number))
            if order is None or order.get("stop"):
                spool.event("experiment", time.monotonic_ns(), "end", "stopped" if order else "no further order")
                os._exit(0)
            for window in order["windows"]:
                if self._is_deserted():
                    os._exit(0)
                yield window
            spool.event("experiment", time.monotonic_ns(), "order done", number)
            number += 1

    def _await(self, path):
        deadline = time.monotonic() + _ORDER_WAIT_S
        while time.monotonic() < deadline and not self._is_deserted():
            try:
                with open(path) as file:
                    return json.load(file)
            except (OSError, ValueError):
                time.sleep(0.02)
        return None

    def _is_deserted(self):
        """Say whether the process that orders is gone."""
        return self.conductor is not None and not os.path.exists("/proc/" + self.conductor)


def _will_train():
    """Say whether there is an optimizer: batches without a backward are then an evaluation before the training."""
    optimizers = sys.modules.get("torch.optim.optimizer")
    return optimizers is not None and any(isinstance(thing, optimizers.Optimizer) for thing in gc.get_objects())
