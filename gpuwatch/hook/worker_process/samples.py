"""The indices of a batch, as the dataset's fetcher goes through them: when each sample begins and ends."""

from __future__ import annotations

import sys
import time

from ..operations.instruments import instruments
from ..operations.timing import Counters, thread
from ..process import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Indices = list[Any]
else:
    Indices = list

_now = time.monotonic_ns


class Samples(Indices):
    """A list of indices; going through it notes how many samples were `taken` and how long the slowest took."""

    __slots__ = ("slowest_ns", "taken")

    slowest_ns: int
    taken: int

    def __iter__(self) -> Iterator[Any]:
        counters = thread.counters or Counters()
        modules, known = sys.modules, instruments.modules
        slowest_ns = taken = 0
        before_ns = _now()
        try:
            for index in list.__iter__(self):
                counters.previous = None
                yield index
                taken += 1
                now_ns = _now()
                if now_ns - before_ns > slowest_ns:
                    slowest_ns = now_ns - before_ns
                before_ns = now_ns
                if len(modules) != known:  # an image plugin, imported by the first image
                    instruments.scan()
                    known = instruments.modules
        finally:
            self.slowest_ns, self.taken = slowest_ns, taken
