"""Changes that an experiment can make to a clone of the user's loader; none touches the user's own objects.

A remedy of the data set replaces `clone.dataset` by a copy or a wrapper; one of a library is a patch that only acts
while its name is in `active`: always in the clone's workers, and in the trainer (no workers) while the clone makes a batch.
What cannot be applied raises Unsuitable with the reason. Loader settings need no remedy: they are plain attributes.
"""

from __future__ import annotations

import contextlib

from ..attributes import REMEDY
from ..process import TYPE_CHECKING
from . import (
    remedy_batches,
    remedy_data,
    remedy_decoding,
    remedy_order,
    remedy_sampler,
    remedy_threads,
    step_remedies,
)
from .active import Unsuitable, active

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from .active import Parameters

    Apply = Callable[[Any, str, Parameters], None]

__all__ = ("REMEDIES", "Unsuitable", "acting", "apply", "of", "switch_off", "switch_on")
_SWITCHES = {**remedy_decoding.SWITCHES, **remedy_threads.SWITCHES}


class Init:
    """A worker_init_fn that switches a remedy on in the worker, after the user's own."""

    def __init__(self, user: Callable[[int], object] | None, name: str, parameters: Parameters) -> None:
        self.user = user
        self.name = name
        self.parameters = parameters

    def __call__(self, worker: int) -> None:
        """Run in the worker."""
        if self.user is not None:
            self.user(worker)
        switch_on(self.name, self.parameters)


def apply(clone: Any, name: str, parameters: Parameters) -> None:
    """Change a clone. Raises Unsuitable, also for an unknown name."""
    if name in step_remedies.SWITCHES:
        return  # it acts in the trainer while the window runs
    if name not in REMEDIES:
        raise Unsuitable(f"there is no remedy {name!r}; there are {', '.join(sorted(REMEDIES))}")
    REMEDIES[name](clone, name, parameters)


def of(clone: Any) -> tuple[tuple[str, Parameters], ...]:
    """Return the names and parameters of the library remedies that a clone has."""
    found: tuple[tuple[str, Parameters], ...] = vars(clone).get(REMEDY, ())
    return found


@contextlib.contextmanager
def acting(clone: Any) -> Iterator[None]:
    """Let the library remedies of a clone act in this process for a while; not those that change a process for good."""
    found = [(name, parameters) for name, parameters in of(clone) if name not in remedy_threads.SWITCHES]
    for name, parameters in found:
        switch_on(name, parameters)
    try:
        yield
    finally:
        for name, _ in found:
            switch_off(name)


def switch_on(name: str, parameters: Parameters) -> None:
    """Let a library remedy act in this process."""
    active.remedies[name] = parameters
    if name in _SWITCHES:
        _SWITCHES[name]()


def switch_off(name: str) -> None:
    """Let a library remedy rest in this process."""
    active.remedies.pop(name, None)


def _in_workers(clone: Any, name: str, parameters: Parameters) -> None:
    vars(clone)["worker_init_fn"] = Init(clone.worker_init_fn, name, parameters)
    vars(clone)[REMEDY] = (*of(clone), (name, parameters))


def _workers_only(clone: Any, name: str, parameters: Parameters) -> None:
    if not clone.num_workers:
        raise Unsuitable("the loader has no workers")
    _in_workers(clone, name, parameters)


def _decoding(clone: Any, name: str, parameters: Parameters) -> None:
    remedy_decoding.check(name)
    _in_workers(clone, name, parameters)


REMEDIES: dict[str, Apply] = {
    "scaled-decode": _decoding,
    "faster-decoder": _decoding,
    "single-threaded-workers": _workers_only,
    "worker-affinity": _workers_only,
    "prefetched-sampler": remedy_sampler.draw_ahead,
    "shrink-first": remedy_order.shrink_first,
    "resize-before-float": remedy_order.resize_before_float,
    "cache-items": remedy_data.cache_items,
    "batched-fetch": remedy_data.fetch_batched,
    "packed-batches": remedy_batches.pack,
    "uint8-batches": remedy_batches.send_bytes,
}
