"""Finds the training loop of an experiment by what its steps do, then feeds it as ordered.

Until the first order is there the loop runs as it is, so that it can be observed in the start-up already paid for. Then the
first rank follows the orders. The others get the same few batches again and again: a step lasts as long as its slowest
rank, and what is changed on the first one would not show behind loaders that stayed as they were."""

from __future__ import annotations

import functools
import gc
import itertools
import os
import sys
import weakref

from ..attributes import OF_CLONE
from ..process import TYPE_CHECKING, process
from ..source_code import construction_sites
from ..step_mode import mode
from ..trainer import activity
from . import batches, executor, loader_clones, loop_facts, windows
from .orders import Orders, write_fact

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping
    from typing import Any

    Next = Callable[[Any], Any]

_RESPECT_EPOCHS = "GPUWATCH_RESPECT_EPOCHS"
# Batches after which a loop without backward or optimizer step is taken for the one that is meant (inference).
_INFERENCE_BATCHES = 12
_TRAINING_BATCHES = 3


def install(base: Any, driver: Driver) -> None:
    """Have every iterator of torch's DataLoader ask the driver for its batches."""
    base.__init__ = _remembering(base.__init__, driver)
    base.__next__ = _driven(base.__next__, driver)


def _remembering(original: Callable[..., Any], driver: Driver) -> Callable[..., Any]:
    @functools.wraps(original)
    def __init__(self: Any, loader: Any, *args: Any, **kwargs: Any) -> Any:
        driver.loaders[self] = loader
        return original(self, loader, *args, **kwargs)

    return __init__


def _driven(original: Next, driver: Driver) -> Next:
    @functools.wraps(original)
    def __next__(self: Any) -> Any:
        if driver.is_forked or OF_CLONE in vars(self):
            return original(self)
        return driver.next_batch(self, original)

    return __next__


class Driver:
    """Feeds the training loop. `loaders`: that of each iterator; `counts`: the batches of each loader, and once the loop
    is found of each iterator; `cache`: batches of the loaders that may turn out to be the loop's; `feed`: what gives
    the loop its batches once it is fed; `fed`: the iterator in whose place that was last, and how often; `drew`: the
    batches that the script drew from other loaders since, and `drew_before`: whether it did in the interval before."""

    def __init__(self, folder: str, module: Any) -> None:
        self.orders = Orders(folder)
        self.module = module
        self.is_forked = False
        self.loaders: MutableMapping[Any, Any] = weakref.WeakKeyDictionary()
        self.counts: MutableMapping[Any, int] = weakref.WeakKeyDictionary()
        self.cache: list[tuple[weakref.ref[Any], Any]] = []
        self.loader: Callable[[], Any] | None = None
        self.settings: tuple[Any, ...] = ()
        self.is_found = False
        self.fed: weakref.ref[Any] | None = None
        self.fed_batches = 0
        self.drew, self.drew_before = 0, True
        self.feed: executor.Executor | Repeating | None = None
        self.respect_epochs = bool(os.environ.get(_RESPECT_EPOCHS))
        mode.always_full = True  # the loop is recognised by what its steps do
        process.own(self)

    def after_fork(self) -> None:
        """Leave the loops of a forked process alone."""
        self.is_forked = True

    def next_batch(self, iterator: Any, original: Next) -> Any:
        """Return the next batch for the user's loop: the iterator's own until the loop is known, then as ordered."""
        loader = self.loaders.get(iterator)
        if loader is None:
            return original(iterator)
        if self.feed is None and not (self._is_the_loop(loader) and self._is_wanted(loader)):
            return self._observe(iterator, loader, original)
        feed = self.feed or self._adopt(iterator, loader)
        if not self._is_fed(loader):
            self.drew += 1
            return original(iterator)
        self._come_back(iterator, feed)
        if self.respect_epochs and self._epoch_is_over(iterator, loader):
            feed.epoch_ends()
            raise StopIteration
        return feed.next_batch()

    def _is_fed(self, loader: Any) -> bool:
        """Say whether this is the loop's loader, or the one that takes its place: some frameworks make one for each epoch."""
        before = self.loader() if self.loader is not None else None
        if loader is before:
            return True
        # The script trained on this loader's last batch, and asked for none of the other's since.
        if not (self.drew and activity.current().trained() and _settings(loader) == self.settings):
            return False
        self.loader = weakref.ref(loader)
        return True

    def _come_back(self, iterator: Any, feed: executor.Executor | Repeating) -> None:
        """Stop the clock for what the script did outside of the loop since its last request: evaluation, a checkpoint."""
        before = self.fed() if self.fed is not None else None
        # Loaders that are drawn from in each step are part of it, as is an iterator for each batch.
        evaluated, another = self.drew > 0 and not self.drew_before, before is not iterator and self.fed_batches > 1
        if self.fed is not None and (evaluated or another):
            feed.was_left(self.fed_batches)
            self.fed_batches = 0
        self.fed, self.drew, self.drew_before = weakref.ref(iterator), 0, self.drew > 0
        self.fed_batches = self.fed_batches + 1 if before is iterator else 1

    def _observe(self, iterator: Any, loader: Any, original: Next) -> Any:
        batch = original(iterator)
        self.counts[loader] = self.counts.get(loader, 0) + 1
        self.cache = [kept for kept in self.cache if kept[0]() is not None][-3 * windows.CACHED_BATCHES :]
        if self.counts[loader] <= windows.CACHED_BATCHES:
            self.cache.append((weakref.ref(loader), batches.fresh(batch)))  # the loop may take its own apart
        return batch

    def _is_the_loop(self, loader: Any) -> bool:
        seen = self.counts.get(loader, 0)
        if activity.current().trained():
            return seen >= _TRAINING_BATCHES
        return seen >= _INFERENCE_BATCHES and seen % _INFERENCE_BATCHES == 0 and not _will_train()

    def _is_wanted(self, loader: Any) -> bool:
        """Say whether there is an order for the loop, whose facts are written when it is found."""
        if not self.is_found:
            self.is_found = True
            if not loop_facts.rank():
                write_fact("loop", loop_facts.describe(loader))
                write_fact("code", loop_facts.loaded_code())
        return self.orders.is_there() and not (loop_facts.rank() and not self._cached(loader))

    def _cached(self, loader: Any) -> list[Any]:
        return [batch for ref, batch in self.cache if ref() is loader]

    def _adopt(self, iterator: Any, loader: Any) -> executor.Executor | Repeating:
        self.loader, self.settings = weakref.ref(loader), _settings(loader)
        cache, self.cache = self._cached(loader), []
        if loop_facts.rank():
            self.feed = Repeating(cache)
        else:
            loader_clones.settle(iterator, loader_clones.REST_S)
            self.feed = executor.Executor(self.module, loader, cache, self.orders.windows())
        return self.feed

    def _epoch_is_over(self, iterator: Any, loader: Any) -> bool:
        self.counts[iterator] = self.counts.get(iterator, 0) + 1
        try:
            return self.counts[iterator] > len(loader)
        except TypeError:
            return False


class Repeating:
    """Feeds the loop of a rank beside the first one: a few batches again and again."""

    def __init__(self, cache: list[Any]) -> None:
        self.turns = itertools.cycle(cache)

    def next_batch(self) -> Any:
        """Return a batch for the loop."""
        return batches.fresh(next(self.turns))

    def epoch_ends(self) -> None:
        """There is no clock to stop."""

    def was_left(self, batches_before: int) -> None:
        """There is no clock to stop."""


def _settings(loader: Any) -> tuple[Any, ...]:
    """Return what two loaders have in common when one takes the other's place."""
    dataset = getattr(loader, "dataset", None)
    return type(loader), type(dataset), getattr(loader, "batch_size", None), construction_sites.place_of(loader)


def _will_train() -> bool:
    """Say whether there is an optimizer: batches without a backward are then an evaluation before the training."""
    optimizers = sys.modules.get("torch.optim.optimizer")
    return optimizers is not None and any(isinstance(thing, optimizers.Optimizer) for thing in gc.get_objects())
