"""The collate function of a fetcher, timed; and what is looked at when the hook meets a fetcher for the first time."""

from __future__ import annotations

import time

from ..attributes import COLLATE
from ..event_log import counters as process_counters
from ..fetch_in_progress import here
from ..operations.instruments import instruments
from ..operations.timing import Counters, thread
from ..process import TYPE_CHECKING
from ..source_code import origins
from ..source_code.wrapped_datasets import innermost
from . import datasets
from .epochs import epoch
from .state import worker

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_now = time.monotonic_ns
_OFTEN_AT_FIRST = 8
_SELDOM = 64


class Collate:
    """Replaces a collate function and times it, less the operations inside. `batched`: the dataset makes batches."""

    __slots__ = ("batched", "function")

    def __init__(self, function: Callable[..., Any], batched: bool) -> None:
        self.function = function
        self.batched = batched

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not here.measuring:
            return self.function(*args, **kwargs)
        counters = thread.counters or Counters()
        outer_ns, counters.inner_ns = counters.inner_ns, 0
        t0 = _now()
        try:
            return self.function(*args, **kwargs)
        finally:
            spent = _now() - t0
            here.collate_ns += spent - counters.inner_ns
            counters.inner_ns = outer_ns + spent

    def __getattr__(self, name: str) -> Any:
        return getattr(self.function, name)


def attach(fetcher: Any) -> Collate:
    """Have a fetcher's collate function timed, and return what times it."""
    attributes = vars(fetcher)
    function = attributes.get("collate_fn")
    collate: Collate | None = attributes.get(COLLATE)
    if collate is None or not (function is collate or function is collate.function):
        collate = Collate(function, datasets.makes_batches(fetcher))
        attributes[COLLATE] = fetcher.collate_fn = collate
        _look_at(fetcher, function)
        return collate
    fetcher.collate_fn = collate
    if not instruments.fetches % _SELDOM or instruments.fetches < _OFTEN_AT_FIRST:
        instruments.scan()
    instruments.fetches += 1
    return collate


def suspend(fetcher: Any) -> None:
    """Give a fetcher its own collate function back, until a fetch of it is measured again."""
    collate = vars(fetcher).get(COLLATE)
    if collate is not None and fetcher.collate_fn is collate:
        fetcher.collate_fn = collate.function


def _look_at(fetcher: Any, function: Callable[..., Any]) -> None:
    process_counters.watch_collector()
    inner = innermost(fetcher.dataset)
    method = datasets.method_of(fetcher, inner)
    instruments.transforms.user_files |= origins.user_files(method, function)
    instruments.scan()
    for thing in (fetcher.dataset, function):
        instruments.transforms.visit(thing)
    datasets.announce(type(inner), method)
    if worker.number >= 0:
        epoch.meet(fetcher.dataset)
