"""Clones of the user's loader: the same dataset, sampler and collate, with some settings changed.

A clone is a shallow copy made behind DataLoader's back: its constructor is not called again, so that loaders derived
from it stay what they are.
"""

from __future__ import annotations

import copy
import time

from ..attributes import OF_CLONE
from ..process import TYPE_CHECKING
from . import remedies
from .active import Unsuitable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .orders import Order

# How long a variant's workers may take to come to rest.
REST_S = 5.0
_LOOK_S = 0.005
_OF_WORKERS = ("prefetch_factor", "persistent_workers", "in_order")


def make(loader: Any, order: Order) -> Any:
    """Return a clone of the loader with the order's settings and remedies. Raises what a remedy raises."""
    clone = copy.copy(loader)
    vars(clone)["_iterator"] = None
    settings = dict(order.get("loader") or {})
    if "start_method" in settings:
        vars(clone)["_DataLoader__multiprocessing_context"] = _context(settings.pop("start_method"))
    for name in settings:
        _check(clone, name, settings)
    vars(clone).update(settings)
    if clone.num_workers == 0:
        vars(clone).update(prefetch_factor=None, persistent_workers=False, timeout=0)
        vars(clone)["_DataLoader__multiprocessing_context"] = None
    elif clone.prefetch_factor is None:
        vars(clone)["prefetch_factor"] = 2
    for name, parameters in order.get("remedies") or ():
        remedies.apply(clone, name, parameters)
    return clone


def _check(clone: Any, name: str, settings: Mapping[str, Any]) -> None:
    if settings.get("num_workers") and not hasattr(clone, "check_worker_number_rationality"):
        raise Unsuitable(f"{type(clone).__name__} is no DataLoader of torch's: its own library starts workers for it")
    if name not in vars(clone):
        raise Unsuitable(f"this torch's DataLoader has no {name}")
    if name in _OF_WORKERS and not settings.get("num_workers", clone.num_workers):
        raise Unsuitable(f"{name} is for worker processes, and this loader has none")


def _context(method: str | None) -> Any:
    import multiprocessing

    return multiprocessing.get_context(method) if method else None


def iterate(module: Any, clone: Any) -> Any:
    """Return a new iterator over a clone, marked as ours; a derived loader's own `__iter__` stays out of it."""
    maker = getattr(type(clone), "_get_iterator", None) or module.DataLoader._get_iterator
    iterator = maker(clone)
    vars(iterator)[OF_CLONE] = True
    return iterator


def settle(iterator: Any, seconds: float) -> None:
    """Wait until an iterator's workers have made all that was asked of them; at most `seconds`."""
    deadline = time.monotonic() + seconds
    while not is_quiet(iterator) and time.monotonic() < deadline:
        time.sleep(_LOOK_S)


def is_quiet(iterator: Any) -> bool:
    """Say whether every batch asked of an iterator's workers is made; True where there are no workers."""
    outstanding = getattr(iterator, "_tasks_outstanding", None)
    if outstanding is None:
        return True
    try:
        queues = {id(queue): queue for queue in (iterator._data_queue, iterator._worker_result_queue)}
        return bool(sum(queue.qsize() for queue in queues.values()) >= outstanding)
    except Exception:
        return True
