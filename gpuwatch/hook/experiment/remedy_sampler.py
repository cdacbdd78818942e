"""A remedy of the sampler: a thread draws indices ahead, so that workers do not wait for them."""

from __future__ import annotations

import queue
import sys
import threading

from ..process import TYPE_CHECKING
from .active import Unsuitable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .active import Parameters

_AHEAD = 64
_LOOK_S = 0.1
_ITEM, _END, _ERROR = range(3)


class Ahead:
    """A sampler whose indices are drawn ahead, in a thread that ends with the iteration."""

    def __init__(self, sampler: Any) -> None:
        self.sampler = sampler

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[Any]:
        drawn: queue.Queue[tuple[int, Any]] = queue.Queue(_AHEAD)
        left = threading.Event()
        threading.Thread(target=self._draw, args=(drawn, left), daemon=True).start()
        try:
            while True:
                kind, value = drawn.get()
                if kind == _ERROR:
                    raise value
                if kind == _END:
                    return
                yield value
        finally:
            left.set()

    def _draw(self, drawn: queue.Queue[tuple[int, Any]], left: threading.Event) -> None:
        try:
            for item in self.sampler:
                if not _put(drawn, (_ITEM, item), left):
                    return
            _put(drawn, (_END, None), left)
        except Exception as error:
            _put(drawn, (_ERROR, error), left)

    def __getattr__(self, name: str) -> Any:
        if name == "sampler":
            raise AttributeError(name)
        return getattr(self.sampler, name)


def _put(drawn: queue.Queue[tuple[int, Any]], entry: tuple[int, Any], left: threading.Event) -> bool:
    """Put an entry; False when none is taken any more."""
    while not left.is_set():
        try:
            drawn.put(entry, timeout=_LOOK_S)
            return True
        except queue.Full:
            continue
    return False


def draw_ahead(clone: Any, _name: str, _parameters: Parameters) -> None:
    """Draw the indices of a clone ahead. Raises Unsuitable for a data set that has none."""
    iterable = getattr(sys.modules.get("torch.utils.data"), "IterableDataset", ())
    if isinstance(clone.dataset, iterable):
        raise Unsuitable("an iterable data set has no sampler")
    name = "sampler" if clone.batch_sampler is None else "batch_sampler"
    vars(clone)[name] = Ahead(vars(clone)[name])
