"""Whether the training's steps are measured in full now or only timed: decided in `trainer/step_sampling`, read by all."""

from __future__ import annotations

import os

from .jitter import Jitter
from .process import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

# Measured in full: the first steps of each iterator.
FIRST_STEPS = 16


def _no_owner() -> None:
    return None


class Pace:
    """Whether the training's steps are only timed (`light`), until when (`until_ns`: the next look at that; `rest_ns`:
    their end); which stretch in full is the newest; whose steps they are (`owner`: a weak reference to the account of a
    thread), and whether that one has loops over a loader only (`loaded`)."""

    __slots__ = (
        "always", "began_ns", "jitter", "left", "light", "loaded", "own_ns", "owner", "rest_ns", "stretch", "taken",
        "together_ns", "until_ns",
    )  # fmt: skip

    owner: Callable[[], object]

    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """Measure in full: nothing is known of this process's steps."""
        self.light = self.always = self.loaded = False
        self.stretch = self.until_ns = self.rest_ns = self.taken = self.began_ns = self.own_ns = 0
        self.left = FIRST_STEPS
        self.jitter = Jitter(os.getpid())
        self.together_ns = 0
        self.owner = _no_owner


pace = process.own(Pace())
