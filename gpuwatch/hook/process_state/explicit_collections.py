"""Garbage collections that the training's code asks for with `gc.collect()`: how many, how long, and on whose line.

Python begins a full collection by itself only once more objects were made since the last one than the first threshold says.
One that begins with fewer was asked for.
"""

from __future__ import annotations

import gc
import threading
import time

from ..event_log import spool
from ..process import process
from ..source_code import callers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..source_code.callers import Place

_MOST_PLACES = 50
_FULL = 2  # the oldest generation, and with it all others
_now_ns = time.monotonic_ns


class Collections:
    """Of each place that asked for collections: how many, and how long they took; `written`: what was written of it."""

    __slots__ = ("begun", "places", "written")

    def __init__(self) -> None:
        self.begun = _Begun()
        self.after_fork()

    def after_fork(self) -> None:
        """Count from now on: what came before is the parent's."""
        self.places: dict[Place, list[int]] = {}
        self.written: dict[Place, int] = {}
        self.begun.at_ns = 0


class _Begun(threading.local):
    """When a collection that was asked for began in this thread; 0 outside of one."""

    at_ns = 0


collections = process.own(Collections())


def watch() -> None:
    """Count from now on."""
    if _on_collection not in gc.callbacks:
        gc.callbacks.append(_on_collection)


def stop() -> None:
    """Count no more: at exit, before the interpreter takes its modules apart."""
    if _on_collection in gc.callbacks:
        gc.callbacks.remove(_on_collection)


# Bound as defaults: this may run after the interpreter has taken the module's names away.
def _on_collection(
    phase: str,
    info: dict[str, int],
    collections: Collections = collections,
    clock: Callable[[], int] = _now_ns,
    count: Callable[[], tuple[int, int, int]] = gc.get_count,
    threshold: Callable[[], tuple[int, int, int]] = gc.get_threshold,
    is_enabled: Callable[[], bool] = gc.isenabled,
    place: Callable[[], Place] = callers.calling_place,
) -> None:
    begun = collections.begun
    if phase == "start":
        made, most = count()[0], threshold()[0]
        by_itself = is_enabled() and most > 0 and made > most
        begun.at_ns = clock() if info.get("generation") == _FULL and not by_itself else 0
    elif begun.at_ns:
        took_ns, begun.at_ns = clock() - begun.at_ns, 0
        asked = place()
        if asked in collections.places or len(collections.places) < _MOST_PLACES:
            entry = collections.places.setdefault(asked, [0, 0])
            entry[0] += 1
            entry[1] += took_ns


def write() -> None:
    """Write what is new: the counts of each place so far."""
    for place, (count, took_ns) in list(collections.places.items()):
        if collections.written.get(place) != count:
            collections.written[place] = count
            spool.event("collected", _now_ns(), *place, count, took_ns)
