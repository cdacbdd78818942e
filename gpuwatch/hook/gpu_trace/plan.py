"""When a window is due, and how long it lasts: by the steps that have passed. Times in time.monotonic_ns.

The first one opens after the warm-up, once steps take what those before them took. In an automatic plan later ones come when
the sampler asks for one, and, where there is no accelerator to look at, once more late in the run; none that would raise
the cost of the windows above 2 % of the loop.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False

_WARM_UP, _MOST_WARM_UP = 5, 100
# A step is like those before it if it takes no more than so many times the shortest of the last few.
_RECENT, _ALIKE = 4, 2.0
# After so many steps beyond the warm-up a window opens however they vary.
_PATIENCE = 40
# An automatic window has at least 5 steps and 0.3 s, and ends with 20 steps, or after 5 s.
_FEWEST, _MOST, _SHORT_NS, _LONG_NS = 5, 20, 300_000_000, 5_000_000_000
# One with a number of steps ends after this long in any case.
_LONGEST_NS = 120_000_000_000
_MOST_WINDOWS, _APART_NS = 4, 10_000_000_000
# A second window comes this many times as late in the loop as the first one ended.
_LATER = 4
_COST_PARTS = 50
_LOOK_NS = 1_000_000_000


class Plan:
    """When windows open and close. `wanted`: their steps, None of an automatic plan; `asked`: the file by which the
    sampler asks for another one; `accelerated`: windows look at an accelerator."""

    def __init__(self, wanted: int | None, asked: str) -> None:
        self.wanted, self.asked = wanted, asked
        self.accelerated = False
        self.windows = self.steps = self.cost_ns = 0
        self.warm_up = _WARM_UP
        self.began_ns = self.closed_ns = self.looked_ns = 0
        self.last_ns: int | None = None
        self.recent: list[int] = []

    @property
    def is_done(self) -> bool:
        """Whether there will be no further window."""
        return self.windows >= (_MOST_WINDOWS if self.wanted is None else 1)

    def queued(self, batches: int) -> None:
        """Count what the loader had made ahead before the first step to the warm-up."""
        self.warm_up = max(self.warm_up, min(_WARM_UP + batches, _MOST_WARM_UP))

    def passed(self, at_ns: int) -> None:
        """Note the end of a step, which is the beginning of the next one."""
        self.steps += 1
        if self.last_ns is not None:
            self.recent = [*self.recent[1 - _RECENT :], at_ns - self.last_ns]
        else:
            self.began_ns = self.began_ns or at_ns
        self.last_ns = at_ns

    def pause(self) -> None:
        """Leave the time up to the next step out: it is of no step."""
        self.last_ns = None

    def is_due(self, at_ns: int) -> bool:
        """Say whether a window is to open with the step that begins now."""
        if self.steps <= self.warm_up or self.last_ns is None:
            return False
        if not self._is_steady():
            return False
        if not self.windows:
            return True
        if self.is_done or at_ns - self.closed_ns < _APART_NS:
            return False
        if (at_ns - self.began_ns) < _COST_PARTS * self.cost_ns * (self.windows + 1) / self.windows:
            return False
        return self._is_late(at_ns) or self._is_asked(at_ns)

    def _is_steady(self) -> bool:
        if self.steps - self.warm_up > _PATIENCE:
            return True
        return len(self.recent) == _RECENT and self.recent[-1] <= _ALIKE * min(self.recent)

    def _is_late(self, at_ns: int) -> bool:
        once = self.windows == 1 and not self.accelerated
        return once and at_ns - self.began_ns >= _LATER * (self.closed_ns - self.began_ns)

    def _is_asked(self, at_ns: int) -> bool:
        """Say whether the sampler has asked for a window; looked at once a second."""
        if at_ns - self.looked_ns < _LOOK_NS:
            return False
        self.looked_ns = at_ns
        try:
            os.unlink(self.asked)
        except OSError:
            return False
        return True

    def is_long_enough(self, steps: int, took_ns: int) -> bool:
        """Say whether a window of so many steps is to close."""
        if self.wanted is not None:
            return steps >= self.wanted or took_ns >= _LONGEST_NS
        if steps >= _MOST or (steps >= _FEWEST and took_ns >= _SHORT_NS):
            return True
        return steps >= 2 and took_ns >= _LONG_NS

    def closed(self, at_ns: int, cost_ns: int) -> None:
        """Note that a window has closed, and what opening and closing it took."""
        self.windows += 1
        self.closed_ns = at_ns
        self.cost_ns += cost_ns
        self.recent = []
        self.pause()
