"""Observing the loop before it is experimented on, in the start-up that the experiment pays anyway.

Until the first order is given the training runs as it is (`hook/experiment/driver.py`); with the sampler beside it, what
it writes is a recording like that of `gpuwatch run`, and its findings say which remedies to try."""

from __future__ import annotations

import contextlib
import time

from gpuwatch.build_report import build
from gpuwatch.errors import GpuwatchError
from gpuwatch.experiments.session import Session
from gpuwatch.model.report import Report
from gpuwatch.record import start_sampler, stop_sampler
from gpuwatch.records import dataclass
from gpuwatch.store.reader import read

# A first look after this time, later ones after half as much again: enough for a burst of stack samples, and for a step
# of half a second to have been made often enough.
FIRST_LOOK_S, NEXT_LOOK = 8.0, 1.5
# The part of what is left of the budget when the loop is found, and the longest time at all.
SHARE, LONGEST_S = 0.3, 60.0


@dataclass(slots=True)
class Observation:
    """Watches the loop of a session until its report has a verdict, or the time for that is over."""

    session: Session
    look_s: float = FIRST_LOOK_S
    longest_s: float | None = None
    report: Report | None = None
    sampler: int | None = None

    def make(self) -> Report | None:
        """Return the report of the loop as it is; None when it was too short or too slow to say anything.

        Raises LoopNotDriven as the session does."""
        try:
            self.session.find_loop(self._watch)
        finally:
            if self.sampler is not None and self.session.run_folder is not None:
                stop_sampler(self.session.run_folder, self.sampler)
        return self.report or self._look()

    def _watch(self, since: float | None) -> bool:
        if self.sampler is None and self.session.run_folder is not None:
            with contextlib.suppress(OSError):  # without it the report has no CPU figures and no lines
                self.sampler = start_sampler(self.session.run_folder)
        if since is None:
            return True
        if self.longest_s is None:
            self.longest_s = min(SHARE * (self.session.deadline - time.monotonic()), LONGEST_S)
        if since < min(self.look_s, self.longest_s):
            return True
        self.look_s *= NEXT_LOOK
        self.report = self._look()
        return self.report is None and since < self.longest_s

    def _look(self) -> Report | None:
        if self.session.run_folder is None:
            return None
        try:
            report = build(read(self.session.run_folder), with_timeline=False)
        except GpuwatchError:
            return None
        return report if report.verdict.bound != "unknown" else None
