"""How the training's steps are sampled now: decided in `trainer/step_sampling`, read by all that records a step's parts."""

from __future__ import annotations

from .process import process


class StepMode:
    """`timestamps_only`: steps leave the times of request and delivery, and nothing else is recorded of them.
    `always_full`: they never do."""

    __slots__ = ("always_full", "timestamps_only")

    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """Sample in full: nothing is known of this process's steps."""
        self.timestamps_only = self.always_full = False


mode = process.own(StepMode())
