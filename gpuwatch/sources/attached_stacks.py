"""Stack samples of a training that was running already: one long burst of each rank, in turns.

Nothing is written into the target, no signal is sent to it and it is never stopped: py-spy reads its memory.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gpuwatch.sources import pyspy
from gpuwatch.sources.base import Row
from gpuwatch.sources.loader_locals import loading_rows
from gpuwatch.sources.stacks import StacksThread
from gpuwatch.sources.trainers import Trainer
from gpuwatch.sources.tree import ProcessTree

HZ, MANY_WORKERS, HZ_MANY = 25, 8, 12
# Where no core is idle, what py-spy uses is missing to the training: half a percent of two cores at this rate.
HZ_CROWDED, IDLE_CORES, GLANCE_S = 10, 0.3, 0.5
# A rank is looked at for so long at least, whatever the number of ranks.
LEAST_S = 3.0
# Of a look that is shown while it goes on, so much is seen of a rank before it is written.
LIVE_S = 5.0
PAUSE_S = 0.1
# As nice gives it; only administrators may.
PRECEDENCE = -10
ATTACHED = "attached"
# After these it is read again which batch a worker is at: two readings close together seldom have the end of an epoch
# between them.
_NOTE_AFTER_S = (1.0, 7.0)
# A worker that waits for an index has just forgotten its last: another is asked. One tells enough of all.
_TRIES = 3


class _Turns:
    """The plan of an attached look: as long as was asked for, divided between the ranks; `live`: in rounds of short looks."""

    def __init__(self, seconds: float, ranks: int, live: bool) -> None:
        each_s = max(seconds / max(ranks, 1), min(LEAST_S, seconds))
        self._each_s = min(each_s, LIVE_S) if live else each_s
        self.rounds_s = seconds if live else 0.0

    def seconds(self, trainer: Trainer, why: str) -> float:
        return self._each_s

    def done(self, now: int, trainer: Trainer, cpu_ns: int, why: str = "") -> None:
        """Nothing is planned by what a look has cost."""


class _Noting:
    """Notes something now and then while a burst goes on. Asked like a threading.Event."""

    def __init__(self, halt: threading.Event, note: Callable[[], None]) -> None:
        self._halt, self._note, self._noted_s = halt, note, time.monotonic()
        self._after_s = itertools.cycle(_NOTE_AFTER_S)
        self._next_s = next(self._after_s)

    def wait(self, timeout: float) -> bool:
        if time.monotonic() - self._noted_s >= self._next_s:
            self._note()
            self._noted_s, self._next_s = time.monotonic(), next(self._after_s)
        return self._halt.wait(timeout)

    def is_set(self) -> bool:
        return self._halt.is_set()


class AttachedStacks(StacksThread):
    """Samples the ranks in turns, then ends. `read_locals`: whether variables of the loader's own frames may be read."""

    def __init__(
        self,
        run: Path,
        tree: ProcessTree,
        ranks: Sequence[int],
        seconds: float,
        read_locals: bool = True,
        off: str | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
        live: bool = False,
    ) -> None:
        super().__init__(run, tree, off, None, clock)
        self._turns = _Turns(seconds, len(ranks), live)
        self._plan = self._turns  # type: ignore[assignment]
        self._ranks, self._read_locals = ranks, read_locals
        # The worker that was asked last with success.
        self._telling: int | None = None

    def _look(self) -> None:
        self._take_precedence()
        self._spare.look()
        self._halt.wait(GLANCE_S)
        self._spare.look()
        begun = time.monotonic()
        seen = self._round()
        while seen and time.monotonic() - begun < self._turns.rounds_s and not self._halt.wait(PAUSE_S):
            seen = self._round()

    def _round(self) -> bool:
        """Look at each rank once; return whether there is sense in another round."""
        again = False
        for pid in self._ranks:
            if self._halt.is_set():
                return False
            self._note_batches(pid)
            again |= self._burst(Trainer(pid), ATTACHED) and os.path.exists(f"/proc/{pid}")
            self._note_batches(pid)
        return again

    def _stop_of(self, trainer: Trainer, why: str) -> pyspy.Stop:
        return _Noting(self._halt, lambda: self._note_batches(trainer.pid))

    def _take_precedence(self) -> None:
        """Have py-spy run at once when a sample is due, where that is allowed: one that has to wait for a core would look
        at the moments in which the training needs none."""
        try:
            os.setpriority(os.PRIO_PROCESS, 0, PRECEDENCE)
        except OSError:
            return

    def _hz(self, workers: int, why: str) -> int:
        if self._spare.idle is not None and self._spare.idle < IDLE_CORES:
            return HZ_CROWDED
        return HZ_MANY if workers >= MANY_WORKERS else HZ

    def _note_batches(self, pid: int) -> None:
        """Write which batch a worker of a rank is at."""
        if not self._read_locals:
            return
        rows: list[Row] = []
        below = sorted(self._below(pid), key=lambda worker: worker != self._telling)
        for worker in (below * _TRIES)[:_TRIES]:
            found = loading_rows(pyspy.dump(worker, with_locals=True)[0], self._clock())
            rows += found
            if found and found[0][-1] is not None:
                self._telling = worker
                break
        self._write(rows)

    def _below(self, pid: int) -> list[int]:
        """Return the processes below a rank."""
        parents, found = self._tree.members.copy(), {pid}
        grown = True
        while grown:
            children = {one for one, parent in parents.items() if parent in found} - found
            found, grown = found | children, bool(children)
        return sorted(found - {pid})

    def _hand_over(self) -> None:
        """No timer of ours is in the process."""
