"""What measures the operations inside a fetch, found as modules are imported, and put in place for it."""

from __future__ import annotations

import sys
import time

from ..process import process
from .decoders import Decoders
from .patches import Patches
from .transforms import Discovery

_now = time.monotonic_ns
_FIRST_FETCHES = 64


class Instruments:
    """The replacements of this process and when they are in place: for good in a worker, else per fetch."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self.for_good = False
        self.patches = Patches()
        self.transforms = Discovery(self.patches)
        self.decoders = Decoders(self.patches)
        self.modules = 0
        self.fetches = 0
        self.measured = 0
        self.began_ns = 0
        self.next_ns = 0

    def after_fork(self) -> None:
        """Take the parent's replacements back and start again: the operations that they count are the parent's."""
        try:
            self.patches.abandon()
        finally:
            self._start()

    def stay(self) -> None:
        """Put the replacements, and those to come, in place for the rest of this process's life."""
        self.for_good = True
        self.patches.enter()

    def scan(self) -> None:
        """Look at what has been imported since the last time."""
        if len(sys.modules) != self.modules:
            self.transforms.scan_libraries()
            self.decoders.scan()
            self.modules = len(sys.modules)

    def enter(self) -> bool:
        """Put the replacements in place for one fetch; False when this fetch goes unmeasured.

        In the trainer each in-and-out invalidates the classes' method caches, and CPython 3.13 gives a class only 1000
        versions: so the first fetches, then ever fewer, a few hundred in a day. A worker's stay in place.
        """
        if self.for_good:
            return True
        now = _now()
        if self.measured >= _FIRST_FETCHES and now < self.next_ns:
            return False
        if not self.measured:
            self.began_ns = now
        self.measured += 1
        self.next_ns = now + max(1_000_000_000, (now - self.began_ns) // 30)
        if self.measured % 32 == 3:
            self.transforms.drop_unused()
        elif self.measured % 32 == 1:
            self.transforms.scan_libraries()
        self.patches.enter()
        return True

    def leave(self) -> None:
        """Take the trainer's replacements back."""
        if not self.for_good:
            self.patches.leave()


instruments = process.own(Instruments())
